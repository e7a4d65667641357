//! A secret that functions read from the secret store, AWS Secrets Manager.

use crate::at::At;

/// A secret. The environment contains its name, and the function reads its value.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/intro.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Name of the secret, unique in the topology.
    pub name: String,
    /// One sentence that describes the value.
    pub description: String,
    /// The value if none is given. It is public, so it must not contain a key. An example is `{}`.
    pub default: Option<String>,
}

impl Secret {
    /// Returns the secret's name in the store, such as `roomcast/token_keys` of the stack
    /// `roomcast`.
    #[must_use]
    pub fn physical_name(&self, stack: &str) -> String {
        format!("{stack}/{}", self.name)
    }

    pub(crate) fn read(name: &str, at: &At<'_>) -> Self {
        let fields = at.fields(&["description", "default"]);
        Self {
            name: name.to_owned(),
            description: fields.required_text("description"),
            default: fields.optional("default").and_then(|default| default.text().map(str::to_owned)),
        }
    }
}
