//! Reads frames of the server without copying them: a frame of blocks needs no allocation.
//!
//! Replies are rare, so the protocol's own types parse them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use protocol::reply::Answer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A text message from the server.
#[derive(Debug)]
pub enum Frame<'a> {
    /// A frame of blocks, from the list on. Read it with [`blocks`].
    Blocks(&'a str),
    /// The reply to a request.
    Answer(Answer),
    /// A system message about the connection.
    System(&'a RawValue),
    /// Not a frame of rooms.v1, for example an error of API Gateway.
    Other,
}

#[derive(serde::Deserialize)]
struct Shape<'a> {
    #[serde(borrow, default)]
    b: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sys: Option<&'a RawValue>,
    #[serde(default)]
    ok: Option<IgnoredAny>,
    #[serde(default)]
    err: Option<IgnoredAny>,
}

/// One block of a frame.
#[derive(Debug, serde::Deserialize)]
pub struct Block<'a> {
    /// The room of the block.
    #[serde(borrow)]
    pub room: Text<'a>,
    /// The epoch of the positions.
    #[serde(borrow, default)]
    pub ep: Option<Text<'a>>,
    /// The sequence of the first of `m`.
    #[serde(default)]
    pub seq: u64,
    #[serde(borrow, default)]
    m: Option<&'a RawValue>,
    /// Skipped positions after `m`.
    #[serde(default)]
    pub skip: u64,
    #[serde(borrow, default)]
    e: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

/// Text of the frame. It is copied only if it contains escapes.
#[derive(Debug, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    /// Written by hand, because serde copies a `Cow` inside an `Option`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl<'a> Frame<'a> {
    /// Parses a text message.
    #[must_use]
    pub fn read(text: &'a str) -> Self {
        // Almost all frames begin like this, so they are parsed only once.
        if let Some(blocks) = text.strip_prefix("{\"b\":") {
            return Self::Blocks(blocks);
        }
        let Ok(shape) = serde_json::from_str::<Shape<'_>>(text) else { return Self::Other };
        if shape.ok.is_some() || shape.err.is_some() {
            return serde_json::from_str(text).map_or(Self::Other, Self::Answer);
        }
        match (shape.b, shape.sys) {
            (Some(blocks), _) => Self::Blocks(blocks.get()),
            (None, Some(word)) => Self::System(word),
            (None, None) => Self::Other,
        }
    }
}

impl<'a> Block<'a> {
    /// Calls `hear` for each publication, with its sequence and publication id.
    ///
    /// # Errors
    /// When the block is not of rooms.v1.
    pub fn each_message(&self, mut hear: impl FnMut(u64, &str)) -> serde_json::Result<()> {
        let Some(messages) = self.m else { return Ok(()) };
        let mut sequence = self.seq;
        each(messages.get(), |message: Message<'a>| {
            hear(sequence, &message.id);
            sequence += 1;
        })
    }

    /// The number of ephemeral publications in the block.
    ///
    /// # Errors
    /// When the block is not of rooms.v1.
    pub fn ephemeral(&self) -> serde_json::Result<u64> {
        let mut count = 0;
        self.e.map_or(Ok(()), |said| each(said.get(), |_: IgnoredAny| count += 1))?;
        Ok(count)
    }
}

/// Calls `hear` for each block of a frame.
///
/// # Errors
/// When the frame is not of rooms.v1.
pub fn blocks<'a>(list: &'a str, hear: impl FnMut(Block<'a>)) -> serde_json::Result<()> {
    each(list, hear)
}

/// Calls `hear` for each item of a list, without storing the list.
fn each<'a, T: Deserialize<'a>>(list: &'a str, hear: impl FnMut(T)) -> serde_json::Result<()> {
    serde_json::Deserializer::from_str(list).deserialize_seq(Each { hear, of: PhantomData })
}

struct Each<F, T> {
    hear: F,
    of: PhantomData<T>,
}

impl<'a, F: FnMut(T), T: Deserialize<'a>> Visitor<'a> for Each<F, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.hear)(item);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"{"b":[{"room":"lobby","ep":"k7Qf","seq":7,"m":[{"id":"a","by":"x","at":1,"data":[1,{"b":2}]},{"id":"b","by":"x","at":2,"data":null}],"skip":1},{"room":"lobby","e":[{"by":"x","data":1}]},{"room":"lobby","p":{"members":4}}]}"#;

    #[test]
    fn blocks_are_read_in_order_whatever_their_kind() {
        let Frame::Blocks(raw) = Frame::read(TWO) else { panic!("blocks") };
        let (mut heard, mut skipped, mut ephemeral) = (Vec::new(), 0, 0);
        blocks(raw, |block| {
            block.each_message(|sequence, id| heard.push((sequence, id.to_owned()))).unwrap();
            skipped += block.skip;
            ephemeral += block.ephemeral().unwrap();
        })
        .unwrap();
        assert_eq!(heard, [(7, "a".to_owned()), (8, "b".to_owned())]);
        assert_eq!((skipped, ephemeral), (1, 1));
    }

    #[test]
    fn answers_words_and_nonsense_are_told_apart() {
        assert!(matches!(Frame::read(r#"{"id":1,"ok":{}}"#), Frame::Answer(_)));
        assert!(matches!(Frame::read(r#"{"sys":"pong"}"#), Frame::System(_)));
        for nonsense in ["", "[]", "{}", r#"{"message": "Internal server error"}"#] {
            assert!(matches!(Frame::read(nonsense), Frame::Other), "{nonsense}");
        }
    }
}
