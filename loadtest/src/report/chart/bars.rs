//! Horizontal bars of parts that add up.

use std::fmt::Write;

use super::scale::{end, number, ticks};
use super::{Figure, LETTER, PAPERS, Paper, nothing, swatch};
use crate::report::markup::{Cell, Table, escape};

const RIGHT: f64 = 18.0;
const TOP: f64 = 8.0;
/// Space for the labels and the unit of the axis.
const BOTTOM: f64 = 44.0;
const BAR: f64 = 22.0;
const GAP: f64 = 10.0;
/// The width of the smallest part that is not zero: it can be seen.
const LEAST: f64 = 3.0;

/// Bars, one below the other, over one axis.
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Bars {
    /// Identifies the chart in the page: a word.
    pub(in crate::report) id: &'static str,
    pub(in crate::report) title: String,
    /// Advice for the reader of the chart.
    pub(in crate::report) about: String,
    /// The unit of the axis.
    pub(in crate::report) unit: String,
    /// The meaning of each part of a bar, and a longer description for the table. A chart of bars
    /// with one part has one entry.
    pub(in crate::report) parts: Vec<(String, String)>,
    pub(in crate::report) bars: Vec<Bar>,
}

/// A bar with the size of each of its parts.
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Bar {
    pub(in crate::report) name: String,
    pub(in crate::report) sizes: Vec<f64>,
}

impl Bar {
    fn sum(&self) -> f64 {
        self.sizes.iter().sum()
    }
}

impl Bars {
    /// Renders the chart, or a sentence if there is no data.
    pub(in crate::report) fn draw(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        if self.bars.iter().all(|bar| bar.sum() <= 0.0) {
            return out.write_str(&nothing(&self.title));
        }
        let figure =
            Figure { id: self.id, title: &self.title, about: &self.about, legend: self.legend(), table: self.table() };
        figure.open(out)?;
        for paper in &PAPERS {
            let height = TOP + self.bars.len() as f64 * (BAR + GAP) + BOTTOM;
            figure.open_svg(paper, height, out)?;
            self.draw_on(paper, height, out)?;
            write!(out, "</svg>")?;
        }
        figure.close(out)
    }

    /// The space for the names of the bars, in pixels.
    fn left(&self) -> f64 {
        let longest = self.bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0);
        longest as f64 * LETTER + 14.0
    }

    fn draw_on(&self, paper: &Paper, height: f64, out: &mut String) -> std::fmt::Result {
        let left = self.left();
        let width = paper.width - left - RIGHT;
        let longest = self.bars.iter().map(Bar::sum).fold(0.0, f64::max);
        // A single bar fills the paper: its parts are shares of a whole.
        let to = if self.bars.len() == 1 { longest } else { end(longest) };
        let floor = height - BOTTOM;
        for tick in ticks(0.0, to, paper.ticks) {
            let x = left + tick / to * width;
            write!(out, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{floor:.1}\"/>")?;
            write!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>", floor + 16.0, number(tick))?;
        }
        let middle = left + width / 2.0;
        let unit = escape(&self.unit);
        write!(
            out,
            "<text class=\"unit\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{unit}</text>",
            height - 8.0
        )?;
        for (n, bar) in self.bars.iter().enumerate() {
            let y = TOP + GAP / 2.0 + n as f64 * (BAR + GAP);
            let name = escape(&bar.name);
            write!(out, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>", left - 8.0, y + BAR - 6.0)?;
            let mut x = left;
            for (part, wide) in widths(&bar.sizes, bar.sum() / to * width).into_iter().enumerate() {
                if wide > 0.0 {
                    write!(
                        out,
                        "<rect class=\"f{part}\" x=\"{x:.2}\" y=\"{y:.1}\" width=\"{wide:.2}\" height=\"{BAR}\"/>"
                    )?;
                }
                x += wide;
            }
        }
        write!(out, "<path class=\"axis\" d=\"M{left:.1} {TOP}V{floor:.1}H{:.1}\"/>", paper.width - RIGHT)
    }

    /// The parts that are drawn, with their sum over all bars.
    fn legend(&self) -> Vec<(String, String)> {
        let sum = |part: usize| self.bars.iter().filter_map(|bar| bar.sizes.get(part)).sum::<f64>();
        let shown = self.parts.iter().enumerate().filter(|(part, _)| sum(*part) > 0.0);
        let entry = |(part, (name, _)): (usize, &(String, String))| {
            let square = format!("<rect class=\"f{part}\" x=\"6\" width=\"12\" height=\"12\"/>");
            (swatch(&square), format!("{name}: {}", number(sum(part))))
        };
        shown.map(entry).collect()
    }

    fn table(&self) -> Table {
        if let [bar] = self.bars.as_slice() {
            let mut table = Table::with_head(&[Cell::Text("part"), Cell::Number(&self.unit), Cell::Text("meaning")]);
            for ((name, about), size) in self.parts.iter().zip(&bar.sizes) {
                table.row(&[Cell::Text(name), Cell::Number(&number(*size)), Cell::Text(about)]);
            }
            table.row(&[Cell::Text("sum"), Cell::Number(&number(bar.sum())), Cell::Text("")]);
            return table;
        }
        let mut head = vec![Cell::Text("")];
        head.extend(self.parts.iter().map(|(name, _)| Cell::Number(name)));
        head.push(Cell::Number("sum"));
        let mut table = Table::with_head(&head);
        for bar in &self.bars {
            let numbers: Vec<String> = bar.sizes.iter().copied().chain([bar.sum()]).map(number).collect();
            let mut row = vec![Cell::Text(&bar.name)];
            row.extend(numbers.iter().map(|number| Cell::Number(number)));
            table.row(&row);
        }
        table
    }
}

/// The widths of parts, in pixels, of a bar with this width. A part that is not zero can be seen;
/// the others give it the space.
fn widths(sizes: &[f64], width: f64) -> Vec<f64> {
    let sum: f64 = sizes.iter().sum();
    if sum <= 0.0 {
        return vec![0.0; sizes.len()];
    }
    let wanted = |size: &f64| if *size > 0.0 { (size / sum * width).max(LEAST) } else { 0.0 };
    let all: f64 = sizes.iter().map(wanted).sum();
    sizes.iter().map(|size| wanted(size) / all * width).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_of_a_bar_add_up_to_it_and_each_can_be_seen(
            sizes in prop::collection::vec(prop_oneof![Just(0.0), 1.0..2.0_f64, 1e6..1e7_f64], 1..9),
            width in 100.0..900.0_f64,
        ) {
            let widths = widths(&sizes, width);
            let sum: f64 = widths.iter().sum();
            let is_empty = sizes.iter().all(|size| *size == 0.0);
            let all = if is_empty { 0.0 } else { width };
            prop_assert!((sum - all).abs() < 1e-6, "{} of {}", sum, all);
            for (size, wide) in sizes.iter().zip(&widths) {
                prop_assert_eq!(*size > 0.0, *wide > 2.0, "{} is {} wide", size, wide);
            }
        }
    }
}
