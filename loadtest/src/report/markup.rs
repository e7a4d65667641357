//! Pieces of markup that the pages share. All of it is well-formed XML, so a test can parse a page.

use std::fmt::{self, Display, Write};

/// Escapes untrusted text.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A page that needs no network: its style and charts are inside.
pub(super) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
         <title>{}</title><style>{}</style></head>\n<body>{body}</body></html>\n",
        escape(title),
        include_str!("page.css"),
    )
}

/// A table that scrolls alone if it is too wide for the page.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: String,
}

/// A cell of a table.
pub(super) enum Cell<'t> {
    /// Text that is not trusted.
    Text(&'t str),
    /// A number, aligned to the right.
    Number(&'t str),
}

impl Table {
    /// Starts a table with the names of its columns.
    pub(super) fn with_head(cells: &[Cell<'_>]) -> Self {
        let mut table = Self::default();
        table.write_row("th scope=\"col\"", "th", cells);
        table
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: &[Cell<'_>]) {
        self.write_row("td", "td", cells);
    }

    fn write_row(&mut self, open: &str, close: &str, cells: &[Cell<'_>]) {
        self.rows.push_str("<tr>");
        for cell in cells {
            let (class, text) = match cell {
                Cell::Text(text) => ("", text),
                Cell::Number(text) => (" class=\"n\"", text),
            };
            // Writing to a string cannot fail.
            let _ = write!(self.rows, "<{open}{class}>{}</{close}>", escape(text));
        }
        self.rows.push_str("</tr>");
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<div class=\"wide\" tabindex=\"0\"><table>{}</table></div>", self.rows)
    }
}
