//! A value that functions read from the secret store: AWS Secrets Manager.

use crate::at::At;

/// A secret: the environment carries its name, the function reads its value.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/intro.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// The value to put there, in one sentence.
    pub description: String,
    /// The value if none is given. It is public, so it holds no key, such as `{}`.
    pub default: Option<String>,
}

impl Secret {
    /// The name that the store knows, such as `roomcast/token_keys` of the stack `roomcast`.
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
