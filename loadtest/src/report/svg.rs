//! Charts as inline SVG. They need no script and no network, and take their colours from the page.

use std::fmt::Write;

use crate::counters::grouped;

/// Space for the labels of the vertical axis, in pixels.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 18.0;
/// Space for the unit of the vertical axis.
const TOP: f64 = 26.0;
/// Space for the labels and the unit of the horizontal axis.
const BOTTOM: f64 = 44.0;

/// A size of a chart. Each chart is drawn in every size, and the page shows the one that fits, so
/// that text keeps its size.
struct Paper {
    class: &'static str,
    width: f64,
    height: f64,
    /// The approximate number of labels of an axis.
    ticks: f64,
}

const PAPERS: [Paper; 2] = [
    Paper { class: "large", width: 720.0, height: 260.0, ticks: 6.0 },
    Paper { class: "small", width: 340.0, height: 240.0, ticks: 4.0 },
];

/// A chart of lines or dots over one axis.
#[derive(Debug, Clone, Default)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// Advice for the reader of the chart.
    pub(super) about: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) series: Vec<Series>,
    /// Labels of the horizontal axis, instead of numbers.
    pub(super) x_labels: Vec<(f64, String)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) dots: bool,
}

/// The mapping from numbers to pixels.
struct Scale<'p> {
    paper: &'p Paper,
    x_from: f64,
    x_to: f64,
    y_to: f64,
}

impl Chart {
    /// Renders the chart, or a sentence if there is no data.
    pub(super) fn draw(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "<section><h2>{}</h2><p>{}</p>", self.title, self.about)?;
        if self.series.iter().all(|series| series.points.is_empty()) {
            return write!(out, "<p class=none>Nothing was measured.</p></section>");
        }
        for paper in &PAPERS {
            self.draw_on(paper, out)?;
        }
        write!(out, "<p class=key>")?;
        for (n, series) in self.series.iter().enumerate().filter(|(_, series)| !series.points.is_empty()) {
            write!(out, "<span><span class=k{n}>&#9632;</span> {}</span> ", series.name)?;
        }
        write!(out, "</p></section>")
    }

    fn draw_on(&self, paper: &Paper, out: &mut String) -> std::fmt::Result {
        let Paper { class, width, height, .. } = paper;
        let scale = self.scale(paper);
        let title = self.title;
        write!(out, "<svg class={class} viewBox=\"0 0 {width} {height}\" role=img aria-label=\"{title}\">")?;
        self.axes(&scale, out)?;
        for (n, series) in self.series.iter().enumerate() {
            series.draw(n, &scale, out)?;
        }
        write!(out, "</svg>")
    }

    fn scale<'p>(&self, paper: &'p Paper) -> Scale<'p> {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x_from = points().map(|point| point.0).fold(f64::MAX, f64::min);
        let x_to = points().map(|point| point.0).fold(f64::MIN, f64::max).max(x_from + 1e-9);
        let highest = points().map(|point| point.1).fold(0.0, f64::max);
        let y_to = if highest > 0.0 { highest * 1.05 } else { 1.0 };
        Scale { paper, x_from, x_to, y_to }
    }

    fn axes(&self, scale: &Scale<'_>, out: &mut String) -> std::fmt::Result {
        let Paper { width, height, ticks: many, .. } = *scale.paper;
        for tick in ticks(scale.y_to, many) {
            let y = scale.y(tick);
            write!(out, "<path class=grid d=\"M{LEFT} {y:.1}H{:.1}\"/>", width - RIGHT)?;
            write!(out, "<text x={:.1} y={:.1} text-anchor=end>{}</text>", LEFT - 6.0, y + 4.0, number(tick))?;
        }
        let shown = |(at, _): &(f64, String)| *at >= scale.x_from && *at <= scale.x_to;
        let numbers = || ticks(scale.x_to, many).map(|tick| (tick, number(tick))).collect();
        let labels: Vec<(f64, String)> = if self.x_labels.is_empty() { numbers() } else { self.x_labels.clone() };
        for (at, label) in labels.into_iter().filter(shown) {
            let y = height - BOTTOM + 16.0;
            write!(out, "<text x={:.1} y={y:.1} text-anchor=middle>{label}</text>", scale.x(at))?;
        }
        let middle = f64::midpoint(LEFT, width - RIGHT);
        write!(out, "<text x={middle:.1} y={:.1} text-anchor=middle>{}</text>", height - 8.0, self.x)?;
        write!(out, "<text x=2 y=14>{}</text>", self.y)
    }
}

impl Series {
    fn draw(&self, n: usize, scale: &Scale<'_>, out: &mut String) -> std::fmt::Result {
        if self.dots {
            for (x, y) in &self.points {
                write!(out, "<circle class=d{n} cx={:.1} cy={:.1} r=2 />", scale.x(*x), scale.y(*y))?;
            }
            return Ok(());
        }
        write!(out, "<path class=l{n} d=\"")?;
        for (at, (x, y)) in self.points.iter().enumerate() {
            let command = if at == 0 { 'M' } else { 'L' };
            write!(out, "{command}{:.1} {:.1}", scale.x(*x), scale.y(*y))?;
        }
        write!(out, "\"/>")
    }
}

impl Scale<'_> {
    fn x(&self, x: f64) -> f64 {
        LEFT + (x - self.x_from) / (self.x_to - self.x_from) * (self.paper.width - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        self.paper.height - BOTTOM - y / self.y_to * (self.paper.height - TOP - BOTTOM)
    }
}

/// Round numbers from zero to `to`, about `many` of them.
fn ticks(to: f64, many: f64) -> impl Iterator<Item = f64> {
    let rough = to / many;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
    (0..=(to / step) as u32).map(move |n| f64::from(n) * step)
}

fn number(value: f64) -> String {
    match value {
        value if value >= 10.0 || value == 0.0 => grouped(value),
        value if value >= 1.0 && value.fract() < 1e-9 => grouped(value),
        value if value >= 0.1 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        let upto = |to| ticks(to, 5.0).collect::<Vec<_>>();
        assert_eq!(upto(9.3), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(upto(480.0), [0.0, 100.0, 200.0, 300.0, 400.0]);
        assert_eq!([0.0, 0.05, 0.5, 2.0, 2.5, 40_000.0].map(number), ["0", "0.050", "0.5", "2", "2.5", "40,000"]);
    }

    #[test]
    fn a_chart_is_drawn_for_large_and_small_screens_with_the_units_of_both_axes() {
        let points = vec![(0.0, 1.0), (1.0, 12_000.0)];
        let series = vec![Series { name: "p50", points, dots: false }];
        let chart = Chart { title: "Latency", x: "seconds", y: "milliseconds", series, ..Chart::default() };
        let drawn = chart.draw();
        for text in [">seconds</text>", ">milliseconds</text>", ">10,000</text>"] {
            assert_eq!(drawn.matches(text).count(), 2, "{text} in {drawn}");
        }
        assert!(drawn.contains("class=large") && drawn.contains("class=small"), "{drawn}");
    }

    #[test]
    fn a_chart_of_nothing_says_so() {
        assert!(Chart { title: "x", ..Chart::default() }.draw().contains("Nothing was measured"));
    }
}
