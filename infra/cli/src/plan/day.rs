//! A simulated day: rooms are hashed to cells by their names, and connections come, age, are
//! exchanged and go, minute by minute. It shares with the planner the plan and the counts of the
//! operations, and neither the spread of rooms nor the number of new connections.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::file::{HOURS, Plan, Rooms};

/// Minutes of an hour, and of a day.
const HOUR_MIN: usize = 60;
const DAY_MIN: usize = HOURS * HOUR_MIN;
/// Seconds of a minute.
const MINUTE_S: f64 = 60.0;
/// A client exchanges its connection at an age between these, in minutes: 110 with a jitter of 5.
const EXCHANGED_MIN: (usize, usize) = (105, 115);
/// The most rooms that are hashed one by one.
pub(crate) const MOST_ROOMS: f64 = 2e6;

/// The cell of a room: the cell whose hash with the name of the room is the largest (rendezvous
/// hashing). A new cell takes its share of the rooms from all others and moves no other room.
pub(crate) fn cell_of(room: &str, cells: usize) -> usize {
    let weight = |cell: usize| {
        let hash = Sha256::new().chain_update(room).chain_update([0]).chain_update(cell.to_be_bytes()).finalize();
        hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    (0..cells).max_by_key(|cell| weight(*cell)).unwrap_or_default()
}

/// One hour of the simulated day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Hour {
    /// Open connections of all cells, on average.
    pub(crate) connections: f64,
    /// New connections a second of all cells, on average.
    pub(crate) connects: f64,
    /// Deliveries a second of all cells, on average.
    pub(crate) deliveries: f64,
    /// New connections a second of a cell, in the worst minute of any.
    pub(crate) most_connects: f64,
    /// Deliveries a second of a cell in the worst minute of any, without those of `*`, which have
    /// a lane of their own.
    pub(crate) most_deliveries: f64,
}

/// Rooms of one group in one cell.
struct Part<'a> {
    rooms: &'a Rooms,
    count: f64,
    /// Connections by their age in minutes.
    ages: Vec<f64>,
}

impl Part<'_> {
    fn connections(&self) -> f64 {
        self.ages.iter().sum()
    }

    /// Lets a minute pass, after which there are so many connections. Returns the new ones.
    fn advance(&mut self, wanted: f64) -> f64 {
        self.ages.rotate_right(1);
        let mut exchanged = std::mem::take(&mut self.ages[0]);
        for age in EXCHANGED_MIN.0..EXCHANGED_MIN.1 {
            let part = self.ages[age] / (EXCHANGED_MIN.1 - age) as f64;
            self.ages[age] -= part;
            exchanged += part;
        }
        self.ages[0] = exchanged;
        let now = self.connections();
        if wanted >= now {
            self.ages[0] += wanted - now;
        } else if now > 0.0 {
            self.ages.iter_mut().for_each(|connections| *connections *= wanted / now);
        }
        exchanged + (wanted - now).max(0.0)
    }
}

/// The share of the members that is connected at a minute: a line between the middles of the hours.
fn connected(plan: &Plan, rooms: &Rooms, minute: usize) -> f64 {
    let at = |hour: usize| plan.day.get(hour % HOURS).copied().unwrap_or(1.0) * rooms.activity(hour % HOURS);
    let middle = (minute + DAY_MIN - HOUR_MIN / 2) as f64 / HOUR_MIN as f64;
    let (hour, part) = (middle as usize, middle.fract());
    at(hour) * (1.0 - part) + at(hour + 1) * part
}

/// Simulates a day, after a day in which the ages of the connections settle.
pub(crate) fn simulate(plan: &Plan, seed: u64) -> Vec<Hour> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut hours = vec![Hour::default(); HOURS];
    let mut cells = spread(plan);
    for minute in 0..2 * DAY_MIN {
        let hour = &mut hours[minute / HOUR_MIN % HOURS];
        let is_counted = minute >= DAY_MIN;
        for cell in &mut cells {
            let Minute { connects, deliveries, broadcast } = advance(plan, cell, minute % DAY_MIN, &mut random);
            if is_counted {
                hour.connections += cell.iter().map(Part::connections).sum::<f64>() / HOUR_MIN as f64;
                hour.connects += connects / HOUR_MIN as f64;
                hour.deliveries += (deliveries + broadcast) / HOUR_MIN as f64;
                hour.most_connects = hour.most_connects.max(connects);
                hour.most_deliveries = hour.most_deliveries.max(deliveries);
            }
        }
    }
    hours
}

/// A minute of a cell, a second.
struct Minute {
    connects: f64,
    /// Deliveries in rooms and inboxes.
    deliveries: f64,
    /// Deliveries of `*`.
    broadcast: f64,
}

/// Lets a minute pass in a cell.
fn advance(plan: &Plan, cell: &mut [Part<'_>], minute: usize, random: &mut Xoshiro256PlusPlus) -> Minute {
    let (mut connects, mut deliveries, mut connections) = (0.0, 0.0, 0.0);
    for part in cell {
        let share = connected(plan, part.rooms, minute);
        let visits = part.rooms.connects_per_second * part.count * share / plan.rooms_per_connection;
        let wanted = part.count * part.rooms.members * share / plan.rooms_per_connection;
        connects += part.advance(wanted) / MINUTE_S + visits;
        connections += wanted;
        let publications = poisson(random, part.count * part.rooms.rate * share * MINUTE_S) / MINUTE_S;
        deliveries += publications * part.rooms.members * share;
    }
    let broadcasts = poisson(random, plan.relay.broadcasts_per_second * MINUTE_S) / MINUTE_S;
    let inboxes = poisson(random, plan.relay.inbox_messages_per_second / plan.cells * MINUTE_S) / MINUTE_S;
    Minute { connects, deliveries: deliveries + inboxes, broadcast: broadcasts * connections }
}

/// Hashes every room to its cell.
fn spread(plan: &Plan) -> Vec<Vec<Part<'_>>> {
    let cells = plan.cells as usize;
    let mut spread: Vec<Vec<Part<'_>>> = (0..cells).map(|_| Vec::new()).collect();
    for rooms in &plan.rooms {
        let mut counts = vec![0.0; cells];
        for number in 0..rooms.count as usize {
            counts[cell_of(&format!("{}-{number}", rooms.name), cells)] += 1.0;
        }
        for (cell, count) in spread.iter_mut().zip(counts) {
            cell.push(Part { rooms, count, ages: vec![0.0; EXCHANGED_MIN.1 + 1] });
        }
    }
    spread
}

/// A number of events with this mean: exact below 30, and a normal distribution above.
fn poisson(random: &mut Xoshiro256PlusPlus, mean: f64) -> f64 {
    const EXACT_BELOW: f64 = 30.0;
    if mean < EXACT_BELOW {
        let (mut product, mut events) = (random.random::<f64>(), 0.0);
        while product > (-mean).exp() {
            product *= random.random::<f64>();
            events += 1.0;
        }
        return events;
    }
    // Box and Muller.
    let (a, b): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
    (mean + mean.sqrt() * normal).round().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_cell_moves_rooms_only_to_itself() {
        let moved: Vec<(usize, usize)> = (0..2_000)
            .map(|number| format!("room-{number}"))
            .map(|room| (cell_of(&room, 7), cell_of(&room, 8)))
            .filter(|(before, after)| before != after)
            .collect();
        assert!(moved.iter().all(|(_, after)| *after == 7), "{moved:?}");
        assert!((200..300).contains(&moved.len()), "an eighth of 2,000 rooms moves, not {}", moved.len());
    }

    #[test]
    fn connections_are_exchanged_once_in_110_minutes() {
        let text = "name = \"x\"\n[[rooms]]\nname = \"a\"\nmembers = 1000\nrate = 0\n";
        let plan = Plan::parse(text).unwrap();
        let hours = simulate(&plan, 1);
        let day: f64 = hours.iter().map(|hour| hour.connects * 3_600.0).sum();
        // 24 h hold 13.09 lives of 110 min, one of them begun.
        assert!((12_500.0..14_500.0).contains(&day), "{day}");
        assert!(hours.iter().all(|hour| (hour.connections - 1_000.0).abs() < 1.0), "{hours:?}");
    }

    #[test]
    fn the_random_numbers_of_events_have_their_mean() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        for mean in [0.0, 0.5, 12.0, 400.0] {
            let count = 4_000;
            let sum: f64 = (0..count).map(|_| poisson(&mut random, mean)).sum();
            let tolerance = 5.0 * (mean / f64::from(count)).sqrt();
            assert!((sum / f64::from(count) - mean).abs() <= tolerance, "{mean}: {sum}");
        }
    }
}
