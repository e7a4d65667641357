//! Tables with their indexes, streams and expiry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType, TableDescription, TableStatus,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use futures::future::try_join_all;
use topology::{AttributeType, Key, StreamView, Table, Topology};

use super::{Error, Site};

/// Interval of the check whether a new table is active. It is active at once here, and after
/// seconds on AWS.
const POLL_PERIOD: Duration = Duration::from_millis(200);

pub(super) async fn create(topology: &Topology, site: &Site<'_>) -> Result<BTreeMap<String, Option<String>>, Error> {
    let tables = try_join_all(topology.tables.iter().map(|table| ensure(table, site))).await?;
    Ok(tables.into_iter().collect())
}

/// Creates or finds a table. Returns its name and the ARN of its stream.
async fn ensure(table: &Table, site: &Site<'_>) -> Result<(String, Option<String>), Error> {
    if describe(table, site).await?.is_none() {
        create_table(table, site).await?;
    }
    let description = loop {
        match describe(table, site).await? {
            Some(description) if is_active(&description) => break description,
            _ => tokio::time::sleep(POLL_PERIOD).await,
        }
    };
    compare(table, &description, site)?;
    ensure_expiry(table, site).await?;
    let stream = table.stream.and(description.latest_stream_arn);
    if table.stream.is_some() && stream.is_none() {
        return Err(different(table, site, "no stream", "a stream"));
    }
    Ok((table.name.clone(), stream))
}

async fn describe(table: &Table, site: &Site<'_>) -> Result<Option<TableDescription>, Error> {
    match site.clients.dynamodb.describe_table().table_name(&table.name).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => Ok(None),
        Err(error) => Err(site.refused(format!("describe the table `{}`", table.name))(error)),
    }
}

fn is_active(description: &TableDescription) -> bool {
    let indexes = description.global_secondary_indexes();
    description.table_status == Some(TableStatus::Active)
        && indexes.iter().all(|index| index.index_status == Some(IndexStatus::Active))
}

async fn create_table(table: &Table, site: &Site<'_>) -> Result<(), Error> {
    let what = || format!("create the table `{}`", table.name);
    let request = || -> Result<_, BuildError> {
        let indexes = table.indexes.iter().map(index).collect::<Result<Vec<_>, _>>()?;
        let stream = table.stream.map(stream).transpose()?;
        Ok(site
            .clients
            .dynamodb
            .create_table()
            .table_name(&table.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(key_schema(&table.partition_key, table.sort_key.as_ref())?))
            .set_attribute_definitions(Some(attribute_definitions(table)?))
            .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
            .set_stream_specification(stream))
    };
    request().map_err(site.refused(what()))?.send().await.map_err(site.refused(what()))?;
    Ok(())
}

fn key_schema(partition_key: &Key, sort_key: Option<&Key>) -> Result<Vec<KeySchemaElement>, BuildError> {
    let element = |key: &Key, kind| KeySchemaElement::builder().attribute_name(&key.name).key_type(kind).build();
    let partition_key = std::iter::once(element(partition_key, KeyType::Hash));
    partition_key.chain(sort_key.map(|key| element(key, KeyType::Range))).collect()
}

fn attribute_definitions(table: &Table) -> Result<Vec<AttributeDefinition>, BuildError> {
    let mut types: BTreeMap<&str, AttributeType> = BTreeMap::new();
    types.extend(table.keys().map(|key| (key.name.as_str(), key.attribute_type)));
    let definition = |(name, of_type): (&str, AttributeType)| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::from(of_type.letter()))
            .build()
    };
    types.into_iter().map(definition).collect()
}

fn index(index: &topology::Index) -> Result<GlobalSecondaryIndex, BuildError> {
    let projection = match &index.projection {
        topology::Projection::KeysOnly => Projection::builder().projection_type(ProjectionType::KeysOnly),
        topology::Projection::All => Projection::builder().projection_type(ProjectionType::All),
        topology::Projection::Include(attributes) => Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(attributes.clone())),
    };
    GlobalSecondaryIndex::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_schema(&index.partition_key, index.sort_key.as_ref())?))
        .projection(projection.build())
        .build()
}

fn stream(view: StreamView) -> Result<StreamSpecification, BuildError> {
    let view = match view {
        StreamView::KeysOnly => StreamViewType::KeysOnly,
        StreamView::NewImage => StreamViewType::NewImage,
        StreamView::OldImage => StreamViewType::OldImage,
        StreamView::NewAndOldImages => StreamViewType::NewAndOldImages,
    };
    StreamSpecification::builder().stream_enabled(true).stream_view_type(view).build()
}

/// Refuses a table that differs from the topology. A table cannot change its keys, and a new index
/// would take too long here.
fn compare(table: &Table, description: &TableDescription, site: &Site<'_>) -> Result<(), Error> {
    let of_index = |index: &topology::Index| shape(Some(&index.name), &index.partition_key, index.sort_key.as_ref());
    let wanted: BTreeSet<String> = std::iter::once(shape(None, &table.partition_key, table.sort_key.as_ref()))
        .chain(table.indexes.iter().map(of_index))
        .collect();
    let own = found_shape(None, description.key_schema());
    let indexes = description.global_secondary_indexes().iter();
    let found: BTreeSet<String> =
        std::iter::once(own).chain(indexes.map(|index| found_shape(index.index_name(), index.key_schema()))).collect();
    if wanted == found {
        return Ok(());
    }
    let list = |shapes: BTreeSet<String>| shapes.into_iter().collect::<Vec<_>>().join(", ");
    Err(different(table, site, &list(found), &list(wanted)))
}

fn shape(index: Option<&str>, partition_key: &Key, sort_key: Option<&Key>) -> String {
    spell(index, std::iter::once(partition_key).chain(sort_key).map(|key| key.name.as_str()))
}

fn found_shape(index: Option<&str>, schema: &[KeySchemaElement]) -> String {
    spell(index, schema.iter().map(KeySchemaElement::attribute_name))
}

fn spell<'k>(index: Option<&str>, keys: impl Iterator<Item = &'k str>) -> String {
    let keys = keys.collect::<Vec<_>>().join(" and ");
    index.map_or_else(|| format!("the keys {keys}"), |index| format!("the index {index} on {keys}"))
}

fn different(table: &Table, site: &Site<'_>, found: &str, wanted: &str) -> Error {
    Error::Different {
        table: table.name.clone(),
        endpoint: site.endpoint.to_owned(),
        found: found.to_owned(),
        wanted: wanted.to_owned(),
    }
}

async fn ensure_expiry(table: &Table, site: &Site<'_>) -> Result<(), Error> {
    let Some(attribute) = &table.ttl else { return Ok(()) };
    let what = || format!("set the expiry of the table `{}`", table.name);
    let dynamodb = &site.clients.dynamodb;
    let answer = dynamodb.describe_time_to_live().table_name(&table.name).send().await.map_err(site.refused(what()))?;
    let enabled = answer.time_to_live_description.is_some_and(|expiry| {
        let on = matches!(expiry.time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
        on && expiry.attribute_name.as_ref() == Some(attribute)
    });
    if enabled {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder().enabled(true).attribute_name(attribute).build();
    let request = dynamodb
        .update_time_to_live()
        .table_name(&table.name)
        .time_to_live_specification(specification.map_err(site.refused(what()))?);
    request.send().await.map_err(site.refused(what()))?;
    Ok(())
}
