//! Queues publications of backends: in `publications` within the rate of their room, and in
//! `publications-held` beyond it.

use std::collections::{BTreeMap, HashMap};

use futures::future::join_all;

use crate::hold::{Door, Intake};
use crate::limits;
use crate::name::RoomId;
use crate::ports::{Error, Holds, Result, Submissions};
use crate::publication::{Held, Submission};
use crate::timestamp::Timestamp;

const OPERATION: &str = "admission";

/// The results of an admission.
#[derive(Debug, Default)]
pub struct Admitted {
    /// In the order of the submissions.
    pub results: Vec<Result<()>>,
    /// Publications that are held.
    pub held: u64,
    /// The error of the read of the holds, if it was refused. Then every room is held. A room whose
    /// hold cannot be written either counts as open.
    pub unread: Option<Error>,
}

/// Submissions that are sent as one.
#[derive(Debug)]
struct Parcel {
    submission: Submission,
    /// The indexes of its submissions in the caller's list.
    places: Vec<usize>,
    bytes: usize,
}

/// The queue for the parcels of a room.
enum Passage {
    Open,
    /// The number of parcels, from the first on, that are held, and the number of their last
    /// publication. The remaining parcels are refused.
    Held(usize, u64),
    Failed(Error),
}

/// The room holds as many publications as it may.
#[derive(Debug, thiserror::Error)]
#[error("room {0} is beyond its rate, and {max} of its publications wait already; publish to it more slowly", max = limits::HELD_PER_ROOM)]
struct Full(RoomId);

/// Returns true if a submission was refused because its room holds as many publications as it may.
/// Later there is room again.
#[must_use]
pub fn is_full(error: &Error) -> bool {
    matches!(error, Error::Refused { source, .. } if source.is::<Full>())
}

/// Queues submissions durably, those of one room in their order. Consecutive submissions of the
/// same room and author are sent as one. A publication beyond the rate of its room is held, and so
/// are all later ones of the room. A publication beyond the limit of a hold is refused.
///
/// Costs one read of the rooms, and a write for each room that is held.
pub async fn admit(
    tables: &impl Holds,
    queues: &impl Submissions,
    submissions: &[Submission],
    now: Timestamp,
) -> Admitted {
    let parcels = pack(submissions);
    let rooms: Vec<RoomId> = parcels.keys().cloned().collect();
    let (intakes, unread) = match tables.intakes(&rooms).await {
        Ok(intakes) => (intakes, None),
        // A retry cannot help. All rooms are held, so that no publication is lost, or overtakes one
        // that waits.
        Err(error) if !error.is_transient() => (HashMap::new(), Some(error)),
        Err(error) => {
            let results = submissions.iter().map(|_| Err(error.again())).collect();
            return Admitted { results, ..Admitted::default() };
        }
    };
    let (intakes, is_unread) = (&intakes, unread.is_some());
    let passages = parcels.iter().map(|(room, parcels)| async move {
        let intake = intakes.get(room).copied();
        let counts: Vec<u32> = parcels.iter().map(|parcel| count(&parcel.submission)).collect();
        let door = if is_unread { Door::Held { space: u64::MAX } } else { door(intake, now) };
        match pass(tables, room, door, &counts, now).await {
            Passage::Failed(error) if is_unread && !error.is_transient() => Passage::Open,
            passage => passage,
        }
    });
    let passages = join_all(passages).await;
    let mut results: Vec<Option<Result<()>>> = submissions.iter().map(|_| None).collect();
    let (mut ready, mut held) = (Vec::new(), 0);
    for ((room, parcels), passage) in parcels.into_iter().zip(passages) {
        let (fit, last) = match passage {
            Passage::Open => {
                ready.extend(parcels);
                continue;
            }
            Passage::Held(fit, last) => (fit, last),
            Passage::Failed(error) => {
                for place in parcels.iter().flat_map(|parcel| &parcel.places) {
                    results[*place] = Some(Err(error.again()));
                }
                continue;
            }
        };
        let mut left: u64 = parcels[..fit].iter().map(|parcel| u64::from(count(&parcel.submission))).sum();
        held += left;
        for (at, mut parcel) in parcels.into_iter().enumerate() {
            if at >= fit {
                let full = || Error::Refused { operation: OPERATION, source: Full(room.clone()).into() };
                parcel.places.iter().for_each(|place| results[*place] = Some(Err(full())));
                continue;
            }
            left -= u64::from(count(&parcel.submission));
            parcel.submission.held = Some(Held::Number(last - left));
            ready.push(parcel);
        }
    }
    send(queues, submissions, &ready, &mut results).await;
    let results = results.into_iter().map(|result| result.unwrap_or_else(|| Err(Error::held_back(OPERATION))));
    Admitted { results: results.collect(), held, unread }
}

/// Sends parcels. The submissions of a refused parcel are sent again one by one, because only one
/// of them may be the cause.
async fn send(
    queues: &impl Submissions,
    submissions: &[Submission],
    ready: &[Parcel],
    results: &mut [Option<Result<()>>],
) {
    let sent: Vec<Submission> = ready.iter().map(|parcel| parcel.submission.clone()).collect();
    let mut refused = Vec::new();
    for (parcel, result) in ready.iter().zip(queues.submit_each(&sent).await) {
        match result {
            Err(error) if !error.is_transient() && parcel.places.len() > 1 => refused.push(parcel),
            Err(error) => parcel.places.iter().for_each(|place| results[*place] = Some(Err(error.again()))),
            Ok(()) => parcel.places.iter().for_each(|place| results[*place] = Some(Ok(()))),
        }
    }
    let places: Vec<usize> = refused.iter().flat_map(|parcel| parcel.places.iter().copied()).collect();
    let singly = refused.iter().flat_map(|parcel| {
        parcel.places.iter().map(|place| Submission { held: parcel.submission.held, ..submissions[*place].clone() })
    });
    let singly: Vec<Submission> = singly.collect();
    if singly.is_empty() {
        return;
    }
    for (place, result) in places.into_iter().zip(queues.submit_each(&singly).await) {
        results[place] = Some(result);
    }
}

fn count(submission: &Submission) -> u32 {
    u32::try_from(submission.items.len()).unwrap_or(u32::MAX)
}

fn door(intake: Option<Intake>, now: Timestamp) -> Door {
    intake.map_or(Door::Open, |intake| intake.door(now))
}

/// Chooses the queue for the parcels of a room. `counts` is the number of publications of each.
async fn pass(tables: &impl Holds, room: &RoomId, door: Door, counts: &[u32], now: Timestamp) -> Passage {
    let Door::Held { space } = door else { return Passage::Open };
    let (mut fit, mut sum) = (0, 0_u32);
    for more in counts {
        if u64::from(sum + more) > space {
            break;
        }
        fit += 1;
        sum += more;
    }
    if fit == 0 {
        return Passage::Held(0, 0);
    }
    match tables.hold(room, sum, now).await {
        Ok(last) => Passage::Held(fit, last),
        Err(error) => Passage::Failed(error),
    }
}

/// Merges consecutive submissions of the same room, publisher and author.
fn pack(submissions: &[Submission]) -> BTreeMap<RoomId, Vec<Parcel>> {
    let mut rooms: BTreeMap<RoomId, Vec<Parcel>> = BTreeMap::new();
    for (place, submission) in submissions.iter().enumerate() {
        let parcels = rooms.entry(submission.room.clone()).or_default();
        let bytes: usize = submission.items.iter().map(|item| item.data.as_json().len()).sum();
        match parcels.last_mut() {
            Some(last) if last.takes(submission, bytes) => {
                last.submission.items.extend(submission.items.iter().cloned());
                last.places.push(place);
                last.bytes += bytes;
            }
            _ => parcels.push(Parcel { submission: submission.clone(), places: vec![place], bytes }),
        }
    }
    rooms
}

impl Parcel {
    fn takes(&self, other: &Submission, bytes: usize) -> bool {
        let Submission { publisher, by, sender, echo, accepted_at, ephemeral, items, .. } = &self.submission;
        let is_alike = (publisher, by, sender, echo, accepted_at, ephemeral)
            == (&other.publisher, &other.by, &other.sender, &other.echo, &other.accepted_at, &other.ephemeral);
        is_alike
            && ephemeral.is_none()
            && items.len() + other.items.len() <= limits::ITEMS_PER_PUBLISH
            && self.bytes + bytes <= limits::PARCEL_BYTES
    }
}
