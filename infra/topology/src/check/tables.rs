//! Checks that each key attribute has one type, and that indexes do not project attributes that
//! they contain anyway.

use std::collections::HashMap;

use crate::at::Log;
use crate::limits::{INDEXES, PROJECTED_ATTRIBUTES};
use crate::{AttributeType, Key, Projection, Table, Topology};

pub(super) fn check(topology: &Topology, log: &Log) {
    for table in &topology.tables {
        types(table, log);
        projections(table, log);
        sizes(table, log);
        expiry(table, log);
    }
}

fn types(table: &Table, log: &Log) {
    let mut known: HashMap<&str, AttributeType> = HashMap::new();
    for (path, partition_key, sort_key) in key_pairs(table) {
        for (field, key) in [("partition_key", Some(partition_key)), ("sort_key", sort_key)] {
            let Some(key) = key.filter(|key| !key.name.is_empty()) else {
                continue;
            };
            let first = *known.entry(&key.name).or_insert(key.attribute_type);
            if first != key.attribute_type {
                log.mistake(
                    &format!("{path}.{field}.type"),
                    format!("`{}` is of type `{}` above: an attribute has one type", key.name, first.letter()),
                );
            }
        }
        if sort_key.is_some_and(|sort_key| sort_key.name == partition_key.name && !sort_key.name.is_empty()) {
            log.mistake(&format!("{path}.sort_key"), "the sort key is the partition key: name another attribute");
        }
    }
}

/// Returns the keys of the table and of its indexes, with their paths.
fn key_pairs(table: &Table) -> Vec<(String, &Key, Option<&Key>)> {
    let path = format!("tables.{}", table.name);
    let indexes = table
        .indexes
        .iter()
        .map(|index| (format!("{path}.indexes.{}", index.name), &index.partition_key, index.sort_key.as_ref()));
    std::iter::once((path.clone(), &table.partition_key, table.sort_key.as_ref())).chain(indexes).collect()
}

fn projections(table: &Table, log: &Log) {
    for index in &table.indexes {
        let Projection::Include(attributes) = &index.projection else {
            continue;
        };
        let keys =
            [Some(&table.partition_key), table.sort_key.as_ref(), Some(&index.partition_key), index.sort_key.as_ref()];
        for (place, attribute) in attributes.iter().enumerate() {
            let path = format!("tables.{}.indexes.{}.projection.include[{place}]", table.name, index.name);
            if keys.iter().flatten().any(|key| key.name == *attribute) {
                log.mistake(&path, format!("`{attribute}` is a key, and keys are in every index: leave it out"));
            } else if attributes[..place].contains(attribute) {
                log.mistake(&path, format!("`{attribute}` is included a second time: keep one"));
            }
        }
    }
}

fn sizes(table: &Table, log: &Log) {
    let path = format!("tables.{}.indexes", table.name);
    if table.indexes.len() > INDEXES {
        log.mistake(&path, format!("{} indexes are more than {INDEXES}, what a table may have", table.indexes.len()));
    }
    let projected: usize = table
        .indexes
        .iter()
        .map(|index| match &index.projection {
            Projection::Include(attributes) => attributes.len(),
            Projection::KeysOnly | Projection::All => 0,
        })
        .sum();
    if projected > PROJECTED_ATTRIBUTES {
        log.mistake(
            &path,
            format!("{projected} included attributes are more than {PROJECTED_ATTRIBUTES}, what the indexes of a table may include together"),
        );
    }
}

fn expiry(table: &Table, log: &Log) {
    let Some(ttl) = &table.ttl else { return };
    if table.keys().any(|key| key.name == *ttl && key.attribute_type != AttributeType::Number) {
        log.mistake(
            &format!("tables.{}.ttl", table.name),
            format!("`{ttl}` is a key that is not a number, and expiry is one: name another attribute"),
        );
    }
}
