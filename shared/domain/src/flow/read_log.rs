//! Reads runs of the log for a reply: first from a replica, then consistently for rows that the
//! replica lacks.
//!
//! Log rows never change. So an unbroken run from a replica is as good as a consistent read, at
//! half the price. A run that ends early proves nothing, because the replica may lag. Only the
//! consistent read that follows decides that a row is missing.

use crate::name::RoomId;
use crate::ports::{Result, Rooms};
use crate::position::{Epoch, Sequence};
use crate::publication::Publication;
use crate::range::Range;
use crate::resume::Budget;
use crate::timestamp::Timestamp;

/// Reads the rows of a range from its first row up to the first hole, at most `limit`. A shorter
/// result means that the next row is not in the log.
///
/// # Errors
/// Errors of the port.
pub async fn read_run(
    ports: &impl Rooms,
    room: &RoomId,
    range: &Range,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Publication>> {
    let wanted = limit.min(usize::try_from(range.through.beyond(range.after)).unwrap_or(limit));
    if wanted == 0 {
        return Ok(Vec::new());
    }
    // Rows beyond these positions cannot belong to the run. They are not read even if the rows of
    // these positions have expired.
    let through = range.after.plus(wanted as u64);
    let range = &Range { through, ..range.clone() };
    let mut run = ports.replica_log(room, range, wanted, now).await?;
    truncate_at_hole(&mut run, range.after.next(), Sequence::next);
    if run.len() < wanted {
        let after = run.last().map_or(range.after, |row| row.position.sequence);
        let rest = Range { after, ..range.clone() };
        run.extend(ports.log(room, &rest, wanted - run.len(), now).await?);
        truncate_at_hole(&mut run, range.after.next(), Sequence::next);
    }
    Ok(run)
}

/// Reads the rows of an epoch backwards from `through` to the first hole, latest first, at most
/// `limit`. A shorter result means that the row before is not in the log.
///
/// # Errors
/// Errors of the port.
pub async fn read_run_backwards(
    ports: &impl Rooms,
    room: &RoomId,
    epoch: &Epoch,
    through: Sequence,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Publication>> {
    let wanted = limit.min(usize::try_from(through.get()).unwrap_or(limit));
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let mut run = ports.replica_log_backwards(room, epoch, through, wanted, now).await?;
    truncate_at_hole(&mut run, through, Sequence::before);
    if run.len() < wanted {
        let through_rest = run.last().map_or(through, |row| row.position.sequence.before());
        run.extend(ports.log_backwards(room, epoch, through_rest, wanted - run.len(), now).await?);
        truncate_at_hole(&mut run, through, Sequence::before);
    }
    Ok(run)
}

/// Reads the newest rows of an epoch at or before `through`, latest first: at most `limit`, and as
/// many as fit `budget`. At most `page_rows` are read at a time. The flag is true if older rows may
/// exist.
///
/// # Errors
/// Errors of the port.
#[expect(clippy::too_many_arguments, reason = "the place, three limits, and the size of a row in the reply")]
pub async fn read_page_backwards(
    ports: &impl Rooms,
    room: &RoomId,
    epoch: &Epoch,
    mut through: Sequence,
    limit: usize,
    page_rows: usize,
    mut budget: Budget,
    size_bytes: impl Fn(&Publication) -> usize,
    now: Timestamp,
) -> Result<(Vec<Publication>, bool)> {
    let mut page = Vec::new();
    while page.len() < limit && through > Sequence::ZERO {
        let count = budget.rows_to_read().min(limit - page.len()).min(page_rows);
        if count == 0 {
            break;
        }
        let mut rows = read_run_backwards(ports, room, epoch, through, count, now).await?;
        let found = rows.len();
        budget.take(&mut rows, &size_bytes);
        let fit = rows.len();
        page.append(&mut rows);
        if fit == found && found < count {
            return Ok((page, false));
        }
        through = page.last().map_or(through, |row| row.position.sequence.before());
    }
    Ok((page, true))
}

fn truncate_at_hole(rows: &mut Vec<Publication>, first: Sequence, next: impl Fn(Sequence) -> Sequence) {
    let mut expected = first;
    let unbroken = rows.iter().take_while(|row| {
        let follows = row.position.sequence == expected;
        expected = next(expected);
        follows
    });
    let unbroken = unbroken.count();
    rows.truncate(unbroken);
}
