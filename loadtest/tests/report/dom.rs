//! A page as a tree. A page that is not well-formed fails the test.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element, or the root above it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    /// The text of this element and of those in it, without markup.
    pub(crate) text: String,
    children: Vec<Node>,
}

impl Node {
    /// Parses a page.
    pub(crate) fn parse(page: &str) -> Self {
        let mut reader = Reader::from_str(page);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap_or_else(|error| panic!("at {}: {error}", reader.error_position())) {
                Event::Start(start) => open.push(Self::of(&start)),
                Event::Empty(start) => {
                    let node = Self::of(&start);
                    open.last_mut().unwrap().children.push(node);
                }
                Event::End(_) => {
                    let node = open.pop().unwrap();
                    let parent = open.last_mut().unwrap();
                    parent.text.push_str(&node.text);
                    parent.children.push(node);
                }
                Event::Text(text) => open.last_mut().unwrap().text.push_str(&text),
                Event::GeneralRef(name) => {
                    let letter = match &*name {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        other => panic!("&{other}; is no entity of XML"),
                    };
                    open.last_mut().unwrap().text.push(letter);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(open.len(), 1, "an element is not closed");
        open.remove(0)
    }

    fn of(start: &BytesStart<'_>) -> Self {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            (attribute.key.as_ref().to_owned(), attribute.value.into_owned())
        });
        Self { name: start.name().as_ref().to_owned(), attributes: attributes.collect(), ..Self::default() }
    }

    /// The value of an attribute, empty without it.
    pub(crate) fn get(&self, attribute: &str) -> &str {
        self.attributes.iter().find(|(name, _)| name == attribute).map_or("", |(_, value)| value)
    }

    /// An attribute that is a number.
    pub(crate) fn number(&self, attribute: &str) -> f64 {
        self.get(attribute).parse().unwrap_or_else(|_| panic!("{attribute} of {self:?}"))
    }

    /// Every element in this one with this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&Node> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            found.extend(child.all(name));
        }
        found
    }

    /// Every element in this one with this class.
    pub(crate) fn of_class(&self, name: &str, class: &str) -> Vec<&Node> {
        self.all(name).into_iter().filter(|node| node.get("class").split(' ').any(|own| own == class)).collect()
    }

    /// The figure with this id.
    pub(crate) fn figure(&self, id: &str) -> &Node {
        let figures = self.all("figure");
        figures.into_iter().find(|node| node.get("id") == id).unwrap_or_else(|| panic!("no figure {id}"))
    }

    /// The cells of each row of the tables in this element.
    pub(crate) fn rows(&self) -> Vec<Vec<&str>> {
        self.all("tr").into_iter().map(|row| row.children.iter().map(|cell| cell.text.as_str()).collect()).collect()
    }
}
