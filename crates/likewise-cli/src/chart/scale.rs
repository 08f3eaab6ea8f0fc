//! From data to drawing units, and the ticks on the way: steps of 1, 2 or 5 times a power of ten.

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share from 0 to 1, written in percent.
    Percent,
    /// A plain number.
    Number,
}

impl Unit {
    /// `value` as text for a reader: percent with one decimal, numbers with three significant
    /// digits, `n/a` when there is none.
    pub fn text(self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => "n/a".to_owned(),
            Unit::Percent => format!("{:.1}%", 100.0 * value),
            Unit::Number => significant(value),
        }
    }
}

/// Three significant digits; powers of ten only where plain digits would mislead.
fn significant(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    let whole_digits = size.log10().floor() as i32 + 1;
    let text = format!("{value:.*}", (3 - whole_digits).clamp(0, 6) as usize);
    if size >= 1.0 && value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        text
    }
}

/// Spacing of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Equal differences.
    Linear,
    /// Equal ratios; only values above zero can be drawn.
    Logarithmic,
}

/// What an axis shows.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Name written at the axis, with its unit where it has one.
    pub title: String,
    /// How its values are written.
    pub unit: Unit,
    /// Spacing of its values.
    pub spacing: Spacing,
    /// A value that the axis must include, such as 0.
    pub include: Option<f64>,
}

impl Axis {
    /// A linear axis of plain numbers.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            unit: Unit::Number,
            spacing: Spacing::Linear,
            include: None,
        }
    }

    /// The same axis with another unit.
    pub fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// The same axis with another spacing.
    pub fn spacing(self, spacing: Spacing) -> Self {
        Self { spacing, ..self }
    }

    /// The same axis, including `value`.
    pub fn include(self, value: f64) -> Self {
        Self {
            include: Some(value),
            ..self
        }
    }
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Value in data units.
    pub value: f64,
    /// Text beside it.
    pub label: String,
}

/// Maps an interval of data to the unit interval.
#[derive(Clone, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    spacing: Spacing,
    /// Marks within the interval.
    pub ticks: Vec<Tick>,
}

impl Scale {
    /// A scale over `values` (non-finite ones are skipped, and on a logarithmic axis those that
    /// are not above zero) that starts and ends at a tick, with about `count` ticks.
    pub fn fit(values: impl Iterator<Item = f64>, axis: &Axis, count: usize) -> Self {
        let positive = axis.spacing == Spacing::Logarithmic;
        let (low, high) = values
            .chain(axis.include)
            .filter(|v| v.is_finite() && (!positive || *v > 0.0))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
                (a.min(v), b.max(v))
            });
        match axis.spacing {
            Spacing::Linear => Self::linear(low, high, axis.unit, count),
            Spacing::Logarithmic => Self::logarithmic(low, high, axis.unit),
        }
    }

    /// A scale over exactly `low..=high`, with ticks inside.
    pub fn exact(low: f64, high: f64, unit: Unit, count: usize) -> Self {
        let step = step(high - low, count);
        let ticks = ticks(low, high, step, unit);
        Self {
            low,
            high,
            spacing: Spacing::Linear,
            ticks,
        }
    }

    fn linear(low: f64, high: f64, unit: Unit, count: usize) -> Self {
        let (low, high) = match (low.is_finite(), high - low) {
            (false, _) => (0.0, 1.0),
            (true, spread) if spread <= 1e-12 * low.abs().max(1e-12) => {
                let pad = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
                (low - pad, high + pad)
            }
            _ => (low, high),
        };
        let step = step(high - low, count);
        let low = (low / step + 1e-9).floor() * step;
        let high = (high / step - 1e-9).ceil() * step;
        Self {
            low,
            high,
            spacing: Spacing::Linear,
            ticks: ticks(low, high, step, unit),
        }
    }

    fn logarithmic(low: f64, high: f64, unit: Unit) -> Self {
        let (low, high) = if low.is_finite() {
            (low, high.max(2.0 * low))
        } else {
            (0.1, 1.0)
        };
        let steps: &[f64] = if high / low < 30.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let marks: Vec<f64> = (low.log10().floor() as i32..=high.log10().ceil() as i32)
            .flat_map(|power| steps.iter().map(move |s| s * 10f64.powi(power)))
            .collect();
        let below = marks
            .iter()
            .rev()
            .copied()
            .find(|m| *m <= low * 1.0001)
            .unwrap_or(low);
        let above = marks
            .iter()
            .copied()
            .find(|m| *m >= high * 0.9999)
            .unwrap_or(high);
        let ticks = marks
            .into_iter()
            .filter(|m| (below..=above).contains(m))
            .map(|value| Tick {
                value,
                label: short_label(value, unit),
            })
            .collect();
        Self {
            low: below,
            high: above,
            spacing: Spacing::Logarithmic,
            ticks,
        }
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end; `None` if it cannot be drawn.
    pub fn place(&self, value: f64) -> Option<f64> {
        let map = |v: f64| match self.spacing {
            Spacing::Linear => v,
            Spacing::Logarithmic => v.ln(),
        };
        let place = (map(value) - map(self.low)) / (map(self.high) - map(self.low));
        place.is_finite().then_some(place)
    }

    /// The same scale without marks.
    pub fn without_ticks(self) -> Self {
        Self {
            ticks: Vec::new(),
            ..self
        }
    }

    /// The interval in data units.
    pub fn interval(&self) -> (f64, f64) {
        (self.low, self.high)
    }
}

/// The step of 1, 2 or 5 times a power of ten that comes closest to `count` steps over `span`.
fn step(span: f64, count: usize) -> f64 {
    let rough = span / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = match rough / power {
        r if r < 1.5 => 1.0,
        r if r < 3.5 => 2.0,
        r if r < 7.5 => 5.0,
        _ => 10.0,
    };
    step * power
}

fn ticks(low: f64, high: f64, step: f64, unit: Unit) -> Vec<Tick> {
    let shown = if unit == Unit::Percent {
        100.0 * step
    } else {
        step
    };
    let decimals = (-(shown.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize;
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last)
        .map(|i| {
            let value = i as f64 * step;
            let label = match unit {
                Unit::Percent => format!("{:.decimals$}%", 100.0 * value),
                Unit::Number if value.abs() >= 1e5 => thousands(value),
                Unit::Number => format!("{value:.decimals$}"),
            };
            Tick { value, label }
        })
        .collect()
}

fn thousands(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{}M", value / 1e6),
        _ => format!("{}k", value / 1e3),
    }
}

fn short_label(value: f64, unit: Unit) -> String {
    let shown = if unit == Unit::Percent {
        100.0 * value
    } else {
        value
    };
    let decimals = (-(shown.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize;
    let sign = if unit == Unit::Percent { "%" } else { "" };
    match shown {
        s if !(1e-5..1e6).contains(&s) => format!("{s:.0e}{sign}"),
        s => format!("{s:.decimals$}{sign}"),
    }
}
