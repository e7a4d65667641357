//! A DynamoDB table. Every table is on demand, encrypted, and has point-in-time recovery; this type
//! contains the settings that differ.

use crate::at::{At, Fields};
use crate::suggest::unknown;
use crate::{limits, names};

/// A table with its indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name of the table.
    pub name: String,
    /// The attribute that selects the partition of an item.
    pub partition_key: Key,
    /// The attribute that orders the items of a partition.
    pub sort_key: Option<Key>,
    /// Global secondary indexes.
    pub indexes: Vec<Index>,
    /// The content of the table's stream, if it has one.
    pub stream: Option<StreamView>,
    /// The attribute with the time at which an item expires, in seconds since 1970.
    pub ttl: Option<String>,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Name of the index, unique in its table.
    pub name: String,
    /// The attribute that selects the partition of an entry. An item without this attribute is not
    /// in the index.
    pub partition_key: Key,
    /// The attribute that orders the entries of a partition.
    pub sort_key: Option<Key>,
    /// The attributes in the index besides the keys of index and table.
    pub projection: Projection,
}

/// A key attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Name of the attribute.
    pub name: String,
    /// Type of the attribute.
    pub attribute_type: AttributeType,
}

/// The types that a key can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// Text, `S` in DynamoDB.
    String,
    /// A number, `N` in DynamoDB.
    Number,
    /// Bytes, `B` in DynamoDB.
    Binary,
}

impl AttributeType {
    /// Returns the letter that DynamoDB uses for the type.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::String => "S",
            Self::Number => "N",
            Self::Binary => "B",
        }
    }
}

/// The attributes in an index besides the keys of index and table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// No other attributes.
    KeysOnly,
    /// All attributes of the item.
    All,
    /// Only these attributes.
    Include(Vec<String>),
}

/// The content of a stream's records besides the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamView {
    /// The keys only.
    KeysOnly,
    /// The item after the change.
    NewImage,
    /// The item before the change.
    OldImage,
    /// The item before and after the change.
    NewAndOldImages,
}

impl StreamView {
    const NAMES: [&'static str; 4] = ["keys_only", "new_image", "old_image", "new_and_old_images"];

    fn read(at: &At<'_>) -> Option<Self> {
        Some(match at.text()? {
            "keys_only" => Self::KeysOnly,
            "new_image" => Self::NewImage,
            "old_image" => Self::OldImage,
            "new_and_old_images" => Self::NewAndOldImages,
            other => {
                at.mistake(unknown("stream view", other, Self::NAMES.into_iter(), "views"));
                Self::KeysOnly
            }
        })
    }
}

impl Table {
    pub(crate) fn read(name: &str, at: &At<'_>) -> Self {
        let fields = at.fields(&["partition_key", "sort_key", "indexes", "stream", "ttl"]);
        Self {
            name: name.to_owned(),
            partition_key: Key::required(&fields),
            sort_key: fields.optional("sort_key").map(|key| Key::read(&key)),
            indexes: fields.named("indexes", &names::INDEX, Index::read),
            stream: fields.optional("stream").and_then(|stream| StreamView::read(&stream)),
            ttl: fields.optional("ttl").and_then(|ttl| ttl.text().map(str::to_owned)),
        }
    }

    /// Returns the table's own keys, then those of its indexes.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        let own = std::iter::once(&self.partition_key).chain(&self.sort_key);
        own.chain(self.indexes.iter().flat_map(|index| std::iter::once(&index.partition_key).chain(&index.sort_key)))
    }
}

impl Index {
    fn read(name: &str, at: &At<'_>) -> Self {
        let fields = at.fields(&["partition_key", "sort_key", "projection"]);
        Self {
            name: name.to_owned(),
            partition_key: Key::required(&fields),
            sort_key: fields.optional("sort_key").map(|key| Key::read(&key)),
            projection: fields
                .required("projection")
                .and_then(|projection| Projection::read(&projection))
                .unwrap_or(Projection::All),
        }
    }
}

impl Key {
    fn required(fields: &Fields<'_>) -> Self {
        fields
            .required("partition_key")
            .map_or_else(|| Self { name: String::new(), attribute_type: AttributeType::String }, |key| Self::read(&key))
    }

    fn read(at: &At<'_>) -> Self {
        let fields = at.fields(&["name", "type"]);
        let attribute_type = fields.required("type").and_then(|field| {
            Some(match field.text()? {
                "S" => AttributeType::String,
                "N" => AttributeType::Number,
                "B" => AttributeType::Binary,
                other => {
                    field.mistake(format!("a key cannot be of type `{other}`: write `S`, `N` or `B`"));
                    return None;
                }
            })
        });
        Self { name: fields.required_text("name"), attribute_type: attribute_type.unwrap_or(AttributeType::String) }
    }
}

impl Projection {
    fn read(at: &At<'_>) -> Option<Self> {
        if at.is_text() {
            return match at.text()? {
                "keys_only" => Some(Self::KeysOnly),
                "all" => Some(Self::All),
                other => {
                    at.mistake(format!(
                        "there is no projection `{other}`: write `keys_only`, `all` or `include: [ATTRIBUTE, …]`"
                    ));
                    None
                }
            };
        }
        let fields = at.fields(&["include"]);
        let attributes = fields.required("include")?;
        let included: Vec<String> = attributes.list().iter().filter_map(At::text).map(str::to_owned).collect();
        if included.is_empty() {
            attributes.mistake("an index that includes no attribute is written `projection: keys_only`");
        }
        if included.len() > limits::INDEX_ATTRIBUTES {
            attributes.mistake(format!(
                "{} attributes are more than {}, what an index may include",
                included.len(),
                limits::INDEX_ATTRIBUTES
            ));
        }
        Some(Self::Include(included))
    }
}
