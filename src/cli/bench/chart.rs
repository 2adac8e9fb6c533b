//! Line charts as SVG: axes, ticks, lines, a legend. Nothing moves, nothing is fetched.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 340.0;
/// Room for the axes' numbers and names, and on the right for the legend: left, top, right, bottom.
const MARGIN: (f64, f64, f64, f64) = (70.0, 14.0, 130.0, 44.0);
const COLOURS: [&str; 8] = ["#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f"];

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// By powers of ten.
    Log,
    /// Percentiles, by nines: each step is ten times closer to 100.
    Nines,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.log10(),
            Self::Nines => -(1.0 - value / 100.0).log10(),
        }
    }

    /// Where an axis that shows all of `values` begins and ends.
    fn range(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let places = values.map(|value| self.place(value)).filter(|place| place.is_finite());
        let (low, high) = places.fold((f64::MAX, f64::MIN), |(low, high), place| (low.min(place), high.max(place)));
        match self {
            _ if low > high => (0.0, 1.0),
            Self::Linear => (0.0, if high > 0.0 { high * 1.05 } else { 1.0 }),
            Self::Log => (low.floor(), (high.floor() + 1.0).max(high.ceil())),
            Self::Nines => (0.0, high.max(1.0)),
        }
    }

    /// Marks between `low` and `high`: places with what is written there.
    fn ticks(self, low: f64, high: f64) -> Vec<(f64, String)> {
        if self == Self::Linear {
            let magnitude = 10f64.powf((high - low).log10().floor());
            let step = [0.1, 0.2, 0.5, 1.0].map(|part| part * magnitude);
            let step = step.into_iter().find(|step| (high - low) / step <= 8.0).unwrap_or(magnitude);
            return (0..).map(|n| f64::from(n) * step).take_while(|at| *at <= high).map(|at| (at, short(at))).collect();
        }
        let wholes = (low.ceil() as i32..=high.floor() as i32).map(f64::from);
        let text = |at: f64| match self {
            Self::Nines => format!("{} %", 100.0 - 100.0 * 10f64.powf(-at)),
            _ => short(10f64.powf(at)),
        };
        wholes.map(|at| (at, text(at))).collect()
    }
}

/// A number in few characters: 1.5M, 20k, 0.01.
fn short(value: f64) -> String {
    let round = |value: f64| (value * 1e4).round() / 1e4;
    match value {
        value if value >= 1e6 => format!("{}M", round(value / 1e6)),
        value if value >= 1e3 => format!("{}k", round(value / 1e3)),
        value => round(value).to_string(),
    }
}

/// A chart.
pub(super) struct Chart<'a> {
    pub(super) x: (&'a str, Scale),
    pub(super) y: (&'a str, Scale),
    /// Points by the name of their line.
    pub(super) lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Chart<'_> {
    /// The chart as an SVG element.
    pub(super) fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let x_range = self.x.1.range(points().map(|point| point.0));
        let y_range = self.y.1.range(points().map(|point| point.1));
        let (left, top, right, bottom) = MARGIN;
        let x_at = |place: f64| left + (place - x_range.0) / (x_range.1 - x_range.0) * (WIDTH - left - right);
        let y_at =
            |place: f64| HEIGHT - bottom - (place - y_range.0) / (y_range.1 - y_range.0) * (HEIGHT - top - bottom);
        let (floor, end) = (HEIGHT - bottom, WIDTH - right);
        let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n");
        let mut put = |part: String| writeln!(svg, "{part}").expect("a string takes every write");
        for (place, text) in self.x.1.ticks(x_range.0, x_range.1) {
            let x = x_at(place);
            put(format!("<path class=\"grid\" d=\"M{x:.1} {top}V{floor}\"/>"));
            put(format!("<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>", floor + 16.0));
        }
        for (place, text) in self.y.1.ticks(y_range.0, y_range.1) {
            let y = y_at(place);
            put(format!("<path class=\"grid\" d=\"M{left} {y:.1}H{end}\"/>"));
            put(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>", left - 6.0, y + 4.0));
        }
        let middle = f64::midpoint(left, end);
        put(format!("<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>", HEIGHT - 8.0, self.x.0));
        let turned = format!("transform=\"translate(14 {}) rotate(-90)\"", f64::midpoint(top, floor));
        put(format!("<text {turned} text-anchor=\"middle\">{}</text>", self.y.0));
        for (index, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let places = points.iter().map(|(x, y)| (self.x.1.place(*x), self.y.1.place(*y)));
            let places = places.filter(|(x, y)| x.is_finite() && y.is_finite());
            let path: Vec<String> = places.map(|(x, y)| format!("{:.1},{:.1}", x_at(x), y_at(y))).collect();
            put(format!("<polyline points=\"{}\" stroke=\"{colour}\"/>", path.join(" ")));
            let y = top + 14.0 + 16.0 * index as f64;
            put(format!("<text x=\"{}\" y=\"{y}\" fill=\"{colour}\" class=\"name\">{name}</text>", end + 30.0));
        }
        svg + "</svg>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_show_all_values_with_readable_marks() {
        let texts = |scale: Scale, values: &[f64]| {
            let (low, high) = scale.range(values.iter().copied());
            scale.ticks(low, high).into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        };
        assert_eq!(texts(Scale::Linear, &[0.0, 38_000.0]), ["0", "5k", "10k", "15k", "20k", "25k", "30k", "35k"]);
        assert_eq!(texts(Scale::Log, &[0.3, 42.0]), ["0.1", "1", "10", "100"]);
        assert_eq!(texts(Scale::Nines, &[0.0, 99.9]), ["0 %", "90 %", "99 %", "99.9 %"]);
        assert!(!texts(Scale::Linear, &[]).is_empty() && !texts(Scale::Linear, &[0.0]).is_empty());
    }

    #[test]
    fn a_line_stays_inside() {
        let lines = vec![("a".to_owned(), vec![(1.0, 5.0), (2.0, 500.0), (3.0, 0.0)])];
        let svg = Chart { x: ("x", Scale::Linear), y: ("y", Scale::Log), lines }.svg();
        let path = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let places: Vec<f64> = path.split([' ', ',']).map(|text| text.parse().unwrap()).collect();
        assert_eq!(places.len(), 4, "zero has no logarithm: {path}");
        assert!(places.iter().all(|place| (0.0..=WIDTH).contains(place)), "{path}");
    }
}
