//! Sentences for a name that does not exist.

/// Returns a sentence with the existing names, or with the name that was probably meant.
pub(crate) fn unknown<'n>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'n str> + Clone,
    known_as: &str,
) -> String {
    if let Some(meant) = closest(name, known.clone()) {
        return format!("there is no {what} `{name}`; did you mean `{meant}`?");
    }
    if known.clone().next().is_none() {
        return format!("there is no {what} `{name}`");
    }
    format!("there is no {what} `{name}`; the {known_as} are {}", list(known))
}

pub(crate) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Returns the known name that needs the fewest edits, if their number is small for its length.
fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let allowed = (name.chars().count() * 2 / 5).clamp(1, 3);
    known
        .map(|candidate| (edits(name, candidate), candidate))
        .filter(|(count, _)| *count <= allowed)
        .min_by_key(|(count, _)| *count)
        .map(|(_, candidate)| candidate)
}

/// Returns Levenshtein's distance of two texts.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, left) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in other.iter().enumerate() {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
