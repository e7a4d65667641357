//! Charts as inline SVG: they need no script and no network, and take their colours from the page.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 36.0;
/// Labels of an axis, about.
const TICKS: f64 = 5.0;

/// A chart of lines or dots over one axis.
#[derive(Debug, Clone, Default)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// What the reader is to see in it.
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

/// Where numbers are on the paper.
struct Scale {
    x_from: f64,
    x_to: f64,
    y_to: f64,
}

impl Chart {
    /// The chart; a sentence instead, if there is nothing to draw.
    pub(super) fn draw(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "<section><h2>{}</h2><p>{}</p>", self.title, self.about)?;
        if self.series.iter().all(|series| series.points.is_empty()) {
            return write!(out, "<p class=none>Nothing was measured.</p></section>");
        }
        let scale = self.scale();
        write!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{}\">", self.title)?;
        self.axes(&scale, out)?;
        for (n, series) in self.series.iter().enumerate() {
            series.draw(n, &scale, out)?;
        }
        write!(out, "</svg><p class=key>")?;
        for (n, series) in self.series.iter().enumerate() {
            write!(out, "<span class=k{n}>&#9632;</span> {} &nbsp; ", series.name)?;
        }
        write!(out, "</p></section>")
    }

    fn scale(&self) -> Scale {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x_from = points().map(|point| point.0).fold(f64::MAX, f64::min);
        let x_to = points().map(|point| point.0).fold(f64::MIN, f64::max).max(x_from + 1e-9);
        let y_to = points().map(|point| point.1).fold(0.0, f64::max).max(1e-9) * 1.05;
        Scale { x_from, x_to, y_to }
    }

    fn axes(&self, scale: &Scale, out: &mut String) -> std::fmt::Result {
        for tick in ticks(scale.y_to) {
            let y = scale.y(tick);
            write!(out, "<path class=grid d=\"M{LEFT} {y:.1}H{:.1}\"/>", WIDTH - RIGHT)?;
            write!(out, "<text x={:.1} y={:.1} text-anchor=end>{}</text>", LEFT - 6.0, y + 4.0, number(tick))?;
        }
        let bottom = HEIGHT - BOTTOM + 16.0;
        let numbers =
            || ticks(scale.x_to).filter(|tick| *tick >= scale.x_from).map(|tick| (tick, number(tick))).collect();
        let labels: Vec<(f64, String)> = if self.x_labels.is_empty() { numbers() } else { self.x_labels.clone() };
        for (at, label) in labels {
            write!(out, "<text x={:.1} y={bottom} text-anchor=middle>{label}</text>", scale.x(at))?;
        }
        write!(out, "<text x={:.1} y={:.1} text-anchor=end>{}</text>", WIDTH - RIGHT, HEIGHT - 4.0, self.x)?;
        write!(out, "<text x=4 y={:.1}>{}</text>", HEIGHT - 4.0, self.y)
    }
}

impl Series {
    fn draw(&self, n: usize, scale: &Scale, out: &mut String) -> std::fmt::Result {
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

impl Scale {
    fn x(&self, x: f64) -> f64 {
        LEFT + (x - self.x_from) / (self.x_to - self.x_from) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - y / self.y_to * (HEIGHT - TOP - BOTTOM)
    }
}

/// Round numbers from zero to `to`.
fn ticks(to: f64) -> impl Iterator<Item = f64> {
    let rough = to / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
    (0..=(to / step) as u32).map(move |n| f64::from(n) * step)
}

fn number(value: f64) -> String {
    match value {
        value if value >= 10_000.0 => format!("{:.0}k", value / 1_000.0),
        value if value >= 10.0 || value == 0.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        let upto = |to| ticks(to).collect::<Vec<_>>();
        assert_eq!(upto(9.3), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(upto(480.0), [0.0, 100.0, 200.0, 300.0, 400.0]);
    }

    #[test]
    fn a_chart_of_nothing_says_so() {
        assert!(Chart { title: "x", ..Chart::default() }.draw().contains("Nothing was measured"));
    }
}
