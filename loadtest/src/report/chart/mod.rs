//! Charts as inline SVG. They need no script and no network, and take their colours from the page.
//!
//! Each chart is a `<figure>`: title, advice for the reader, the drawing in two sizes, a legend,
//! and a table of the same numbers. The page shows the drawing that fits, so that text keeps its
//! size.

mod bars;
mod lines;
mod scale;

use std::fmt::Write;

pub(super) use bars::{Bar, Bars};
pub(super) use lines::{Band, Chart, Lane, Limit, Look, Series};
pub(super) use scale::number;

use super::markup::{Table, escape};

/// A size of a drawing.
#[derive(Debug, Clone, Copy)]
struct Paper {
    class: &'static str,
    /// The width, in pixels.
    width: f64,
    /// The height of a chart of lines, in pixels.
    height: f64,
    /// The approximate number of labels of an axis.
    ticks: f64,
}

const PAPERS: [Paper; 2] = [
    Paper { class: "large", width: 960.0, height: 320.0, ticks: 6.0 },
    Paper { class: "small", width: 358.0, height: 270.0, ticks: 4.0 },
];

/// Approximate width of a letter of a label, in pixels.
const LETTER: f64 = 6.6;

/// The parts of a figure around its drawings.
struct Figure<'c> {
    /// Identifies the figure in the page: a word.
    id: &'c str,
    title: &'c str,
    about: &'c str,
    /// Each series that the drawing shows: the swatch and its meaning.
    legend: Vec<(String, String)>,
    table: Table,
}

impl Figure<'_> {
    fn open(&self, out: &mut String) -> std::fmt::Result {
        let (id, title) = (self.id, escape(self.title));
        write!(out, "<figure id=\"{id}\"><h2>{title}</h2><p class=\"soft\">{}</p>", escape(self.about))
    }

    /// Opens a drawing. Screen readers read its title and its description.
    fn open_svg(&self, paper: &Paper, height: f64, out: &mut String) -> std::fmt::Result {
        let Paper { class, width, .. } = paper;
        let id = self.id;
        write!(
            out,
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-{class}-title {id}-{class}-desc\">\
             <title id=\"{id}-{class}-title\">{}</title><desc id=\"{id}-{class}-desc\">{} The table below the \
             drawing has the same numbers.</desc>",
            escape(self.title),
            escape(self.about),
        )
    }

    fn close(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "<p class=\"legend\">")?;
        for (swatch, meaning) in &self.legend {
            write!(out, "<span>{swatch}{}</span> ", escape(meaning))?;
        }
        write!(out, "</p><details><summary>The numbers of this chart</summary>{}</details></figure>", self.table)
    }
}

/// A figure without data.
fn nothing(title: &str) -> String {
    format!("<figure><h2>{}</h2><p class=\"none\">Nothing was measured.</p></figure>", escape(title))
}

/// A sample of a series for the legend.
fn swatch(shape: &str) -> String {
    format!("<svg class=\"swatch\" viewBox=\"0 0 26 12\" aria-hidden=\"true\">{shape}</svg>")
}
