//! Parses requests of the query protocol: forms whose names are paths, such as
//! `Attributes.entry.1.key`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::model::error::Error;
use crate::model::message::{AttributeValue, Attributes};

/// A decoded form.
#[derive(Debug)]
pub(super) struct Form<'a> {
    fields: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// The fields of a form below a path: the whole form, or one member of a list.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    form: &'a Form<'a>,
    prefix: String,
}

impl<'a> Form<'a> {
    pub(super) fn parse(form: &'a [u8]) -> Self {
        Self { fields: form_urlencoded::parse(form).collect() }
    }

    pub(super) fn fields(&'a self) -> Fields<'a> {
        Fields { form: self, prefix: String::new() }
    }
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let value = if self.prefix.is_empty() {
            self.form.fields.get(name)
        } else {
            self.form.fields.get(&*format!("{}{name}", self.prefix))
        };
        value.map(|value| &**value)
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a str, Error> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| Error::sns_invalid(name))
    }

    /// Returns the members of a list, in order: the fields below `{list}.1.`, `{list}.2.` and so
    /// on.
    pub(super) fn members(&self, list: &str) -> impl Iterator<Item = Fields<'a>> + use<'a> {
        let (form, path) = (self.form, format!("{}{list}", self.prefix));
        let member = move |index: usize| Fields { form, prefix: format!("{path}.{index}.") };
        (1..).map(member).take_while(|member| member.exists())
    }

    /// Returns the values of a list of texts, in order: `{list}.1`, `{list}.2` and so on.
    pub(super) fn texts(&self, list: &str) -> Vec<&'a str> {
        (1..).map_while(|index: usize| self.get(&format!("{list}.{index}"))).collect()
    }

    /// Returns a map of texts: `{map}.entry.1.key` and `{map}.entry.1.value`.
    pub(super) fn map(&self, map: &str) -> BTreeMap<String, String> {
        let entries = self.members(&format!("{map}.entry"));
        entries.filter_map(|entry| Some((entry.get("key")?.to_owned(), entry.get("value")?.to_owned()))).collect()
    }

    /// Returns message attributes: `MessageAttributes.entry.1.Name`,
    /// `MessageAttributes.entry.1.Value.DataType` and so on.
    pub(super) fn message_attributes(&self) -> Result<Attributes, Error> {
        self.members("MessageAttributes.entry").map(|entry| entry.message_attribute()).collect()
    }

    fn message_attribute(&self) -> Result<(String, AttributeValue), Error> {
        let name = self.required("Name")?;
        let data_type = self.required("Value.DataType")?.to_owned();
        let string_value = self.get("Value.StringValue").map(str::to_owned);
        let binary_value = self.get("Value.BinaryValue").map(|text| BASE64_STANDARD.decode(text)).transpose();
        let binary_value =
            binary_value.map_err(|_| Error::sns_invalid(format!("the attribute {name} is not base64")))?;
        let value = AttributeValue { data_type, string_value, binary_value };
        if value.bytes().is_empty() {
            let message = format!("The message attribute '{name}' must contain non-empty message attribute value.");
            return Err(Error::sns_invalid_value(message));
        }
        Ok((name.to_owned(), value))
    }

    fn exists(&self) -> bool {
        let from = Cow::Borrowed(self.prefix.as_str());
        let next = self.form.fields.range(from..).next();
        next.is_some_and(|(name, _)| name.starts_with(&self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_maps_are_read_by_their_paths() {
        let form = Form::parse(b"A.entry.1.key=x&A.entry.1.value=1%262&A.entry.2.key=y&A.entry.2.value=&L.1=a&L.2=b");
        let fields = form.fields();
        assert_eq!(
            fields.map("A"),
            BTreeMap::from([("x".to_owned(), "1&2".to_owned()), ("y".to_owned(), String::new())])
        );
        assert_eq!(fields.texts("L"), ["a", "b"]);
        assert_eq!(fields.members("B.entry").count(), 0);
    }

    #[test]
    fn more_than_nine_members_keep_their_order() {
        let text: Vec<String> = (1..=12).map(|index| format!("E.member.{index}.Id={index}")).collect();
        let text = text.join("&");
        let form = Form::parse(text.as_bytes());
        let fields = form.fields();
        let ids: Vec<_> = fields.members("E.member").filter_map(|member| member.get("Id")).collect();
        assert_eq!(ids, (1..=12).map(|index| index.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn a_message_attribute_has_a_type_and_a_value() {
        let form = Form::parse(
            b"MessageAttributes.entry.1.Name=kind&MessageAttributes.entry.1.Value.DataType=String\
              &MessageAttributes.entry.1.Value.StringValue=news",
        );
        let attributes = form.fields().message_attributes().unwrap();
        assert_eq!(attributes["kind"], AttributeValue::text("String", "news"));
    }
}
