//! Makes hostile inputs from seeds.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};

/// The most bytes of an input: API Gateway passes messages of up to 128 KB.
pub const INPUT_BYTES: usize = 128 * 1024;
/// The most mutations of one input.
const MUTATIONS: usize = 6;
/// The most repetitions of one piece.
const REPETITIONS: usize = 200_000;

/// Pieces that parsers must not trip over.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "null",
    "true",
    "-0",
    "1e400",
    "-1",
    "0.1",
    "9007199254740993",
    "18446744073709551616",
    "1e-400",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "\\udc00\\ud800",
    "\u{0}",
    "\u{1b}[31m",
    "\r\n",
    "\u{202e}",
    "\u{feff}",
    "\u{fffe}",
    "é",
    "😀",
    "\u{e9}\u{301}",
    "#",
    "@",
    "*",
    "..",
    "%00",
    "%",
    "=",
    "&",
    ".",
    "eyJ",
    "Bearer ",
    "token.",
    "guest:",
    "backend",
    "\"action\":\"publish\"",
    "\"action\":\"sync\"",
    "\"room\":\"*\"",
    "\"room\":\"@\"",
    "\"rooms\":{",
    "\"since\":{\"ep\":\"k7Qf\",\"seq\":",
    "\"data\":",
    "\"items\":[",
    "\"pid\":",
    "\"id\":",
    "\"command\":\"close\"",
    "\"Type\":\"Notification\"",
    "\"Message\":",
    "\"S\":",
    "\"M\":{",
    "\"L\":[",
    "\"N\":\"1e999\"",
    "\"exp\":1e308",
    "\"aud\":[",
    "\"rooms\":{\"join\":[\"*a*a*a*a*a*a*\"]}",
    "&a [*a, *a]",
    "<<: *a",
    "|\n",
    "!!binary ",
    "\t",
    "'",
    "---\n",
    "? ",
    "- ",
];

/// Makes inputs. The same seed makes the same inputs.
#[derive(Debug)]
pub struct Mutator(SmallRng);

impl Mutator {
    /// Creates a mutator.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// Makes an input from some of these seeds.
    pub fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds.choose(&mut self.0).cloned().unwrap_or_default();
        for _ in 0..self.0.random_range(0..=MUTATIONS) {
            self.mutate(&mut input, seeds);
            input.truncate(INPUT_BYTES);
        }
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        match self.0.random_range(0..11_u8) {
            0 => self.flip(input),
            1 => self.remove(input),
            2 | 3 => self.insert_piece(input, 1),
            4 => self.repeat_piece(input),
            5 => self.repeat_part(input),
            6 => self.splice(input, seeds),
            7 => self.nest(input),
            8 => self.insert_random(input),
            9 => self.swap_parts(input),
            _ => input.truncate(self.place(input)),
        }
    }

    fn place(&mut self, input: &[u8]) -> usize {
        self.0.random_range(0..=input.len())
    }

    fn part(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let (one, other) = (self.place(input), self.place(input));
        one.min(other)..one.max(other)
    }

    fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
        input.splice(at..at, bytes.iter().copied());
    }

    fn flip(&mut self, input: &mut [u8]) {
        let bit = self.0.random_range(0..8_u8);
        if let Some(at) = input.len().checked_sub(1).map(|last| self.0.random_range(0..=last)) {
            input[at] ^= 1 << bit;
        }
    }

    fn remove(&mut self, input: &mut Vec<u8>) {
        let part = self.part(input);
        input.drain(part);
    }

    fn insert_piece(&mut self, input: &mut Vec<u8>, times: usize) {
        let piece = PIECES.choose(&mut self.0).copied().unwrap_or_default();
        let room = INPUT_BYTES.saturating_sub(input.len()) / piece.len().max(1);
        let at = self.place(input);
        Self::insert(input, at, piece.repeat(times.min(room)).as_bytes());
    }

    fn repeat_piece(&mut self, input: &mut Vec<u8>) {
        let times = self.0.random_range(1..=REPETITIONS);
        self.insert_piece(input, times);
    }

    fn repeat_part(&mut self, input: &mut Vec<u8>) {
        let part = self.part(input);
        let (at, part) = (part.start, input[part].to_vec());
        if part.is_empty() {
            return;
        }
        let most = INPUT_BYTES.saturating_sub(input.len()) / part.len();
        let times = self.0.random_range(0..=most);
        Self::insert(input, at, &part.repeat(times));
    }

    fn splice(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let other = seeds.choose(&mut self.0).cloned().unwrap_or_default();
        let (place, part) = (self.part(input), self.part(&other));
        input.splice(place, other[part].iter().copied());
    }

    /// Puts the input, or a part of it, into many arrays or objects.
    fn nest(&mut self, input: &mut Vec<u8>) {
        let (open, close) = *[("[", "]"), ("{\"M\":", "}"), ("{\"a\":", "}"), ("{\"L\":[", "]}")]
            .choose(&mut self.0)
            .unwrap_or(&("[", "]"));
        let room = INPUT_BYTES.saturating_sub(input.len()) / (open.len() + close.len());
        let depth = *[10, 31, 33, 126, 128, 200, room].choose(&mut self.0).unwrap_or(&10);
        let depth = depth.min(room);
        let part = self.part(input);
        Self::insert(input, part.end, close.repeat(depth).as_bytes());
        Self::insert(input, part.start, open.repeat(depth).as_bytes());
    }

    fn insert_random(&mut self, input: &mut Vec<u8>) {
        let mut bytes = vec![0; self.0.random_range(1..64)];
        self.0.fill_bytes(&mut bytes);
        let at = self.place(input);
        Self::insert(input, at, &bytes);
    }

    fn swap_parts(&mut self, input: &mut [u8]) {
        let part = self.part(input);
        input[part].reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_the_same_for_the_same_seed_and_within_the_limit() {
        let seeds = vec![br#"{"action":"join","room":"lobby"}"#.to_vec(), b"x".to_vec()];
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..300).map(|_| mutator.input(&seeds)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
        let lengths: Vec<usize> = inputs(7).iter().map(Vec::len).collect();
        assert!(lengths.iter().all(|length| *length <= INPUT_BYTES));
        assert!(lengths.iter().any(|length| *length > INPUT_BYTES / 2), "some are large");
    }
}
