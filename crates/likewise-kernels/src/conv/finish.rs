//! What a convolution does with its sums before they are stored: a frozen batch norm, the addition
//! of a shortcut and a ReLU cost nothing there, and a pass over memory each by themselves.

use crate::tile::COLUMNS;

/// `relu(scale · sum + shift + residual)`, each part only where it is there.
#[derive(Clone, Copy)]
pub struct Finish<'a> {
    /// Factor of each output channel.
    pub scale: Option<&'a [f32]>,
    /// What is added to each output channel.
    pub shift: Option<&'a [f32]>,
    /// What is added to each output value.
    pub residual: Option<&'a [f32]>,
    /// Whether negative values become 0.
    pub relu: bool,
}

impl Finish<'_> {
    /// Sums as they are.
    pub const NOTHING: Self = Self {
        scale: None,
        shift: None,
        residual: None,
        relu: false,
    };

    /// Writes `sums` of `channel` to every `step`-th value of `to`. `place` is where the first lies in
    /// the whole output.
    pub fn store(&self, sums: &[f32], channel: usize, to: &mut [f32], step: usize, place: usize) {
        let scale = self.scale.map_or(1.0, |scale| scale[channel]);
        let shift = self.shift.map_or(0.0, |shift| shift[channel]);
        if step != 1 {
            let places = (place..).step_by(step);
            for ((to, sum), place) in to.iter_mut().step_by(step).zip(sums).zip(places) {
                let residual = self.residual.map_or(0.0, |residual| residual[place]);
                *to = self.activate(sum * scale + shift + residual);
            }
            return;
        }
        let to = &mut to[..sums.len()];
        let residual = self
            .residual
            .map(|residual| &residual[place..place + sums.len()]);
        // The common case, with a length the compiler knows.
        if let (Ok(to), Ok(sums)) = (
            <&mut [f32; COLUMNS]>::try_from(&mut *to),
            <&[f32; COLUMNS]>::try_from(sums),
        ) {
            let residual = residual.and_then(|residual| <&[f32; COLUMNS]>::try_from(residual).ok());
            self.write(
                sums,
                scale,
                shift,
                residual.map(|residual| &residual[..]),
                to,
            );
        } else {
            self.write(sums, scale, shift, residual, to);
        }
    }

    #[inline(always)]
    fn write(
        &self,
        sums: &[f32],
        scale: f32,
        shift: f32,
        residual: Option<&[f32]>,
        to: &mut [f32],
    ) {
        match residual {
            Some(residual) => {
                for ((to, sum), residual) in to.iter_mut().zip(sums).zip(residual) {
                    *to = self.activate(sum * scale + shift + residual);
                }
            }
            None => {
                for (to, sum) in to.iter_mut().zip(sums) {
                    *to = self.activate(sum * scale + shift);
                }
            }
        }
    }

    /// NaN is kept.
    #[inline(always)]
    fn activate(&self, value: f32) -> f32 {
        if self.relu && value < 0.0 { 0.0 } else { value }
    }
}
