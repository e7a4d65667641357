//! A chart of lines or dots over one horizontal axis, with periods, marks and a threshold.

use std::fmt::Write;

use super::scale::{end, number, ticks};
use super::{Figure, LETTER, PAPERS, Paper, nothing, swatch};
use crate::report::markup::{Cell, Table, escape};

/// Space for the labels of the vertical axis, in pixels.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 18.0;
/// Space for the unit of the vertical axis.
const TOP: f64 = 26.0;
/// Space for the names of the periods.
const NAMES: f64 = 18.0;
/// Height of a row of marks.
const LANE: f64 = 18.0;
/// Space between the horizontal axis and the rows of marks.
const ABOVE_LANES: f64 = 6.0;
/// Space for the labels and the unit of the horizontal axis.
const BOTTOM: f64 = 44.0;
/// A threshold this many times above all values is named in the legend and not drawn: it would
/// press them to the floor.
const FAR: f64 = 3.0;

/// A chart of lines or dots over one horizontal axis.
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Chart {
    /// Identifies the chart in the page: a word.
    pub(in crate::report) id: &'static str,
    pub(in crate::report) title: &'static str,
    /// Advice for the reader of the chart.
    pub(in crate::report) about: String,
    /// The unit of the horizontal axis.
    pub(in crate::report) x: &'static str,
    /// The unit of the vertical axis.
    pub(in crate::report) y: &'static str,
    pub(in crate::report) series: Vec<Series>,
    /// Labels of the horizontal axis, instead of numbers.
    pub(in crate::report) x_labels: Vec<(f64, String)>,
    /// Periods of the horizontal axis.
    pub(in crate::report) bands: Vec<Band>,
    /// Rows of marks below the horizontal axis.
    pub(in crate::report) lanes: Vec<Lane>,
    pub(in crate::report) limit: Option<Limit>,
}

/// A named row of values.
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Series {
    pub(in crate::report) name: String,
    /// Without a value the line has a gap.
    pub(in crate::report) points: Vec<(f64, Option<f64>)>,
    pub(in crate::report) look: Look,
    /// The number of the colour.
    pub(in crate::report) colour: usize,
}

/// The shape of a series. Series of one chart differ in shape or colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::report) enum Look {
    #[default]
    Line,
    Dashes,
    Dots,
}

/// A period that is shaded.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Band {
    pub(in crate::report) name: String,
    pub(in crate::report) from: f64,
    pub(in crate::report) until: f64,
    /// The legend's addition to the name.
    pub(in crate::report) note: &'static str,
}

/// A row of marks, each with its place and size.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Lane {
    pub(in crate::report) name: String,
    pub(in crate::report) marks: Vec<(f64, f64)>,
}

/// A threshold that is drawn as a line.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Limit {
    pub(in crate::report) name: String,
    pub(in crate::report) at: f64,
}

/// The mapping from numbers to pixels.
struct Scale {
    x_from: f64,
    x_to: f64,
    y_to: f64,
    right: f64,
    ceiling: f64,
    floor: f64,
}

impl Series {
    fn values(&self) -> impl Iterator<Item = (f64, f64)> {
        self.points.iter().filter_map(|(x, y)| Some((*x, (*y)?)))
    }

    /// The addition to the class of the line.
    fn shape(&self) -> &'static str {
        match self.look {
            Look::Line | Look::Dots => "",
            Look::Dashes => " dashed",
        }
    }

    fn draw(&self, scale: &Scale, out: &mut String) -> std::fmt::Result {
        let colour = self.colour;
        if self.look == Look::Dots {
            for (x, y) in self.values() {
                write!(out, "<circle class=\"f{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\"/>", scale.x(x), scale.y(y))?;
            }
            return Ok(());
        }
        write!(out, "<path class=\"l{colour}{}\" d=\"", self.shape())?;
        let (mut command, mut alone) = ('M', Vec::new());
        for (n, (x, y)) in self.points.iter().enumerate() {
            let Some(y) = y else {
                command = 'M';
                continue;
            };
            write!(out, "{command}{:.1} {:.1}", scale.x(*x), scale.y(*y))?;
            let is_last = self.points.get(n + 1).is_none_or(|(_, next)| next.is_none());
            if command == 'M' && is_last {
                alone.push((*x, *y));
            }
            command = 'L';
        }
        write!(out, "\"/>")?;
        // A line of one point would not be visible.
        for (x, y) in alone {
            write!(out, "<circle class=\"f{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\"/>", scale.x(x), scale.y(y))?;
        }
        Ok(())
    }

    fn swatch(&self) -> String {
        let colour = self.colour;
        swatch(&match self.look {
            Look::Dots => format!("<circle class=\"f{colour}\" cx=\"13\" cy=\"6\" r=\"3\"/>"),
            _ => format!("<path class=\"l{colour}{}\" d=\"M1 6H25\"/>", self.shape()),
        })
    }
}

impl Chart {
    /// Renders the chart, or a sentence if there is no data.
    pub(in crate::report) fn draw(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        if self.series.iter().all(|series| series.values().next().is_none()) {
            return out.write_str(&nothing(self.title));
        }
        let figure =
            Figure { id: self.id, title: self.title, about: &self.about, legend: self.legend(), table: self.table() };
        figure.open(out)?;
        for paper in &PAPERS {
            let height = paper.height + self.lanes_height();
            let scale = self.scale(paper);
            figure.open_svg(paper, height, out)?;
            self.draw_bands(&scale, out)?;
            self.draw_axes(&scale, paper, height, out)?;
            self.draw_limit(&scale, out)?;
            self.series.iter().try_for_each(|series| series.draw(&scale, out))?;
            self.draw_lanes(&scale, out)?;
            write!(out, "</svg>")?;
        }
        figure.close(out)
    }

    fn scale(&self, paper: &Paper) -> Scale {
        let points = || self.series.iter().flat_map(Series::values);
        let xs = || points().map(|point| point.0).chain(self.bands.iter().flat_map(|band| [band.from, band.until]));
        let marks = || self.lanes.iter().flat_map(|lane| lane.marks.iter().map(|mark| mark.0));
        let x_from = xs().chain(marks()).fold(f64::MAX, f64::min);
        let x_to = xs().chain(marks()).fold(f64::MIN, f64::max).max(x_from + 1e-9);
        let highest = self.highest().max(self.near_limit().map_or(0.0, |limit| limit.at));
        let names = if self.bands.is_empty() { 0.0 } else { NAMES };
        Scale {
            x_from,
            x_to,
            y_to: end(highest),
            right: paper.width - RIGHT,
            ceiling: TOP + names,
            floor: paper.height - BOTTOM,
        }
    }

    fn lanes_height(&self) -> f64 {
        if self.lanes.is_empty() { 0.0 } else { ABOVE_LANES + self.lanes.len() as f64 * LANE }
    }

    fn highest(&self) -> f64 {
        self.series.iter().flat_map(Series::values).map(|point| point.1).fold(0.0, f64::max)
    }

    /// The threshold, unless it is far above all values.
    fn near_limit(&self) -> Option<&Limit> {
        self.limit.as_ref().filter(|limit| limit.at <= FAR * self.highest())
    }

    fn draw_bands(&self, scale: &Scale, out: &mut String) -> std::fmt::Result {
        for (n, band) in self.bands.iter().enumerate() {
            let (from, until) = (scale.x(band.from), scale.x(band.until));
            let (top, height) = (scale.ceiling - NAMES, scale.floor - scale.ceiling + NAMES);
            let shade = if n % 2 == 0 { "band" } else { "band odd" };
            let wide = until - from;
            write!(
                out,
                "<rect class=\"{shade}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{height:.1}\"/>"
            )?;
            let middle = f64::midpoint(from, until);
            let name = if self.names_fit(scale) { escape(&band.name) } else { (n + 1).to_string() };
            write!(out, "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>", top + 13.0)?;
        }
        Ok(())
    }

    /// Returns true if the name of every period fits into it. Otherwise the periods have numbers.
    fn names_fit(&self, scale: &Scale) -> bool {
        let fits = |band: &Band| band.name.chars().count() as f64 * LETTER < scale.x(band.until) - scale.x(band.from);
        self.bands.iter().all(fits)
    }

    fn draw_axes(&self, scale: &Scale, paper: &Paper, height: f64, out: &mut String) -> std::fmt::Result {
        let Scale { right, floor, ceiling, .. } = *scale;
        for tick in ticks(0.0, scale.y_to, paper.ticks) {
            let y = scale.y(tick);
            write!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right:.1}\"/>")?;
            write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                number(tick)
            )?;
        }
        let below = floor + self.lanes_height();
        for (at, label) in self.labels(scale, paper) {
            let (x, label) = (scale.x(at), escape(&label));
            write!(out, "<path class=\"axis\" d=\"M{x:.1} {floor:.1}v4\"/>")?;
            write!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>", below + 18.0)?;
        }
        write!(out, "<path class=\"axis\" d=\"M{LEFT} {ceiling:.1}V{floor:.1}H{right:.1}\"/>")?;
        let middle = f64::midpoint(LEFT, right);
        write!(
            out,
            "<text class=\"unit\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            height - 8.0,
            escape(self.x)
        )?;
        write!(out, "<text class=\"unit\" x=\"2\" y=\"14\">{}</text>", escape(self.y))
    }

    fn labels(&self, scale: &Scale, paper: &Paper) -> Vec<(f64, String)> {
        let shown = |(at, _): &(f64, String)| *at >= scale.x_from && *at <= scale.x_to;
        let labels: Vec<(f64, String)> = if self.x_labels.is_empty() {
            ticks(scale.x_from, scale.x_to, paper.ticks).map(|tick| (tick, number(tick))).collect()
        } else {
            self.x_labels.clone()
        };
        labels.into_iter().filter(shown).collect()
    }

    fn draw_limit(&self, scale: &Scale, out: &mut String) -> std::fmt::Result {
        let Some(limit) = self.near_limit() else { return Ok(()) };
        write!(out, "<path class=\"limit\" d=\"M{LEFT} {:.1}H{:.1}\"/>", scale.y(limit.at), scale.right)
    }

    fn draw_lanes(&self, scale: &Scale, out: &mut String) -> std::fmt::Result {
        for (n, lane) in self.lanes.iter().enumerate() {
            let y = scale.floor + ABOVE_LANES + n as f64 * LANE + LANE / 2.0;
            let short = lane.name.split(' ').next().unwrap_or_default();
            write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                escape(short)
            )?;
            write!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", scale.right)?;
            for (x, _) in &lane.marks {
                let x = scale.x(*x);
                write!(out, "<path class=\"mark\" d=\"M{x:.1} {:.1}l5 9h-10z\"/>", y - 5.0)?;
            }
        }
        Ok(())
    }

    fn legend(&self) -> Vec<(String, String)> {
        let shown = self.series.iter().filter(|series| series.values().next().is_some());
        let mut legend: Vec<_> = shown.map(|series| (series.swatch(), series.name.clone())).collect();
        if let Some(limit) = &self.limit {
            let line = swatch("<path class=\"limit\" d=\"M1 6H25\"/>");
            let far = if self.near_limit().is_some() { "" } else { " (far above the chart)" };
            legend.push((line, format!("{}: {} {}{far}", limit.name, number(limit.at), self.y)));
        }
        for (n, band) in self.bands.iter().enumerate() {
            let shade = if n % 2 == 0 { "band" } else { "band odd" };
            let square = format!("<rect class=\"{shade}\" x=\"0.5\" y=\"0.5\" width=\"25\" height=\"11\"/>");
            let number = if self.bands.len() > 1 { format!("{}. ", n + 1) } else { String::new() };
            let length = super::number(band.until - band.from);
            legend.push((swatch(&square), format!("phase {number}{}, {length} s{}", band.name, band.note)));
        }
        for lane in &self.lanes {
            let fired: f64 = lane.marks.iter().map(|mark| mark.1).sum();
            let triangle = swatch("<path class=\"mark\" d=\"M13 1l5 9h-10z\"/>");
            legend.push((triangle, format!("fault {}: {} times", lane.name, number(fired))));
        }
        legend
    }

    /// All values, a row for each place of the horizontal axis.
    fn table(&self) -> Table {
        let mut head = vec![Cell::Number(self.x)];
        let names: Vec<String> = self.series.iter().map(|series| format!("{}, {}", series.name, self.y)).collect();
        head.extend(names.iter().map(|name| Cell::Number(name)));
        let lanes: Vec<String> = self.lanes.iter().map(|lane| format!("{}, times", lane.name)).collect();
        head.extend(lanes.iter().map(|name| Cell::Number(name)));
        let mut table = Table::with_head(&head);
        let marks = || self.lanes.iter().flat_map(|lane| lane.marks.iter().map(|mark| mark.0));
        let mut xs: Vec<f64> =
            self.series.iter().flat_map(Series::values).map(|point| point.0).chain(marks()).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        for x in xs {
            let is_here = |at: f64| at.total_cmp(&x).is_eq();
            let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), number);
            let of_series = self.series.iter().map(|series| series.values().find(|point| is_here(point.0)));
            let of_lanes = self.lanes.iter().map(|lane| lane.marks.iter().copied().find(|mark| is_here(mark.0)));
            let cells: Vec<String> = of_series.chain(of_lanes).map(|point| shown(point.map(|point| point.1))).collect();
            let place = self.place(x);
            let mut row = vec![Cell::Number(&place)];
            row.extend(cells.iter().map(|cell| Cell::Number(cell)));
            table.row(&row);
        }
        table
    }

    /// The label of a place of the horizontal axis in the table.
    fn place(&self, x: f64) -> String {
        if self.x_labels.is_empty() {
            return format!("{x:.1}");
        }
        let label = self.x_labels.iter().find(|(at, _)| (at - x).abs() < 1e-9);
        label.map_or_else(|| format!("p{:.3}", 100.0 * (1.0 - 10_f64.powf(-x))), |(_, label)| label.clone())
    }
}

impl Scale {
    fn x(&self, x: f64) -> f64 {
        LEFT + (x - self.x_from) / (self.x_to - self.x_from) * (self.right - LEFT)
    }

    fn y(&self, y: f64) -> f64 {
        self.floor - y / self.y_to * (self.floor - self.ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let points = vec![(0.0, Some(1.0)), (1.0, Some(12_000.0)), (2.0, None), (3.0, Some(5.0))];
        let series = vec![Series { name: "p50".to_owned(), points, ..Series::default() }];
        Chart { id: "latency", title: "Latency", x: "seconds", y: "milliseconds", series, ..Chart::default() }
    }

    fn band(name: &str, from: f64, until: f64) -> Band {
        Band { name: name.to_owned(), from, until, note: "" }
    }

    #[test]
    fn a_chart_is_drawn_for_large_and_small_screens_with_the_units_of_both_axes() {
        let drawn = chart().draw();
        for text in [">seconds</text>", ">milliseconds</text>", ">10,000</text>"] {
            assert_eq!(drawn.matches(text).count(), 2, "{text} in {drawn}");
        }
        assert!(drawn.contains("class=\"large\"") && drawn.contains("class=\"small\""), "{drawn}");
    }

    #[test]
    fn a_line_has_a_gap_where_nothing_was_measured_and_a_lone_point_is_a_dot() {
        let drawn = chart().draw();
        let path = drawn.split("class=\"l0\" d=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
        assert_eq!(drawn.matches("<circle").count(), 2, "one in each drawing");
    }

    #[test]
    fn periods_have_their_names_where_these_fit_and_numbers_elsewhere() {
        let mut chart = chart();
        chart.bands = vec![band("warm", 0.0, 1.0), band("steady and long", 1.0, 3.0)];
        let drawn = chart.draw();
        let (large, small) = drawn.split_once("class=\"small\"").unwrap();
        assert!(large.contains(">steady and long</text>") && large.contains(">warm</text>"));
        chart.bands[0].until = 0.1;
        chart.bands[1].from = 0.1;
        assert!(chart.draw().contains(">1</text>") && chart.draw().contains("phase 1. warm, 0.1 s"), "{small}");
    }

    #[test]
    fn a_threshold_is_drawn_if_it_is_near_and_named_in_any_case() {
        let mut chart = chart();
        chart.limit = Some(Limit { name: "threshold of p99".to_owned(), at: 20_000.0 });
        assert_eq!(chart.draw().matches("class=\"limit\"").count(), 3, "two drawings and the legend");
        chart.limit = Some(Limit { name: "threshold of p99".to_owned(), at: 40_000.0 });
        let drawn = chart.draw();
        assert_eq!(drawn.matches("class=\"limit\"").count(), 1);
        assert!(drawn.contains("threshold of p99: 40,000 milliseconds (far above the chart)"), "{drawn}");
    }

    #[test]
    fn faults_are_marked_where_they_fired() {
        let mut chart = chart();
        chart.lanes = vec![Lane { name: "F17 a throttle".to_owned(), marks: vec![(1.0, 3.0), (2.0, 4.0)] }];
        let drawn = chart.draw();
        assert_eq!(drawn.matches("class=\"mark\"").count(), 5, "two in each drawing, one in the legend");
        assert!(drawn.contains("fault F17 a throttle: 7 times") && drawn.contains(">F17</text>"), "{drawn}");
        assert!(drawn.contains("<td class=\"n\">2.0</td><td class=\"n\">–</td><td class=\"n\">4</td>"), "{drawn}");
    }

    #[test]
    fn a_chart_of_nothing_says_so() {
        assert!(Chart { title: "x", ..Chart::default() }.draw().contains("Nothing was measured"));
    }
}
