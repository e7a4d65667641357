//! Publishers. Each has its part of a room's schedule, and waits for no other.

pub mod backend;
mod client;
mod lane;

use std::sync::Arc;

pub use lane::Lane;

use crate::run::world::World;
use crate::scenario::{Door, Rooms};
use backend::Backend;

/// The reason why a door cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A variable that the door needs is missing.
    #[error("the environment variable {0} is not set; `cargo dev -- --run 'cargo load …'` sets it")]
    Variable(&'static str),
    /// AWS refused a call.
    #[error("{request} was refused: {message}")]
    Refused {
        /// The operation of the service.
        request: &'static str,
        /// The error message of the service.
        message: String,
    },
}

/// The publishers of one room.
#[derive(Debug)]
pub struct Publishers {
    lanes: Vec<(Lane, Option<Backend>)>,
}

impl Publishers {
    /// Opens the doors of a room. Connections are opened at first use.
    ///
    /// # Errors
    /// [`Error`] when a variable is missing.
    pub fn open(room: usize, of_all: usize, rooms: &Rooms) -> Result<Self, Error> {
        let mut lanes = Vec::new();
        for (turn, door) in rooms.doors.iter().enumerate() {
            let publishers = if *door == Door::Client { rooms.client_publishers() } else { 1 };
            for publisher in 0..publishers {
                let backend = Backend::open(*door)?;
                let (step, first) = (rooms.doors.len() * publishers, turn + publisher * rooms.doors.len());
                let ephemeral_rate = if turn == 0 && publisher == 0 { rooms.ephemeral_rate } else { 0.0 };
                let offset = of_all as f64 * 0.618 % 1.0;
                let (rate, payload_bytes) = (rooms.rate, rooms.payload_bytes);
                lanes.push((Lane { room, first, step, rate, offset, payload_bytes, ephemeral_rate }, backend));
            }
        }
        Ok(Self { lanes })
    }

    /// Starts publishing by the schedule, with one task for each lane.
    pub fn start(self, world: &Arc<World>, tasks: &mut tokio::task::JoinSet<()>) {
        for (lane, backend) in self.lanes {
            let world = Arc::clone(world);
            match backend {
                None => tasks.spawn(client::publish(world, lane)),
                Some(backend) => tasks.spawn(backend::publish(world, lane, backend)),
            };
        }
    }
}
