//! Bilinear resampling with area-scaled support, bit for bit as Pillow up to 12.0 does it: a
//! plain 2x2 bilinear filter shifts Recall@1, so pixels must match those the field trains on.
//! Horizontal pass first, rounded to 8 bits, then the vertical one; 22-bit integer weights.

mod horizontal;
mod taps;
mod vertical;

use crate::rgb::{Part, Region, RgbImage};
use horizontal::HorizontalPass;
use taps::{Axis, Taps};
use vertical::vertical_pass;

const PRECISION: u32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);

/// A piece of work: what is cut out of an image, what it becomes, and which part of that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The part of the image that is resized.
    pub region: Region,
    /// Width and height it is resized to.
    pub resized: (usize, usize),
    /// The wanted part of the result.
    pub window: Region,
}

impl Cut {
    /// How many times (1, 2, 4 or 8) an image may be shrunk in decoding so that resizing still
    /// makes it smaller.
    pub fn reduction(&self) -> usize {
        let factor = (self.region.width / self.resized.0.max(1))
            .min(self.region.height / self.resized.1.max(1));
        [8, 4, 2].into_iter().find(|&by| factor >= by).unwrap_or(1)
    }

    /// The pixels that the wanted part is computed from.
    pub fn needed(&self) -> Region {
        let (across, down) = self.axes(1, (0, 0));
        let extent = |axis: &Axis| {
            let mut taps = Taps::default();
            taps.compute(axis);
            let (begin, end) = taps.extent();
            (begin, end - begin)
        };
        let ((left, width), (top, height)) = (extent(&across), extent(&down));
        Region {
            left,
            top,
            width,
            height,
        }
    }

    fn axes(&self, reduction: usize, whole: (usize, usize)) -> (Axis, Axis) {
        let Self {
            region,
            resized,
            window,
        } = self;
        (
            Axis::new(
                (region.left, region.width),
                (reduction, whole.0),
                resized.0,
                (window.left, window.width),
            ),
            Axis::new(
                (region.top, region.height),
                (reduction, whole.1),
                resized.1,
                (window.top, window.height),
            ),
        )
    }
}

/// Resizes images, keeping its buffers between calls.
#[derive(Debug, Default)]
pub struct Resizer {
    horizontal: Taps,
    vertical: Taps,
    rows: Vec<u8>,
    horizontal_buffers: horizontal::Buffers,
}

impl Resizer {
    /// Writes the wanted part of a cut to `out` (`[window.height, window.width, 3]`, cleared
    /// first). Only pixels that it needs are computed.
    ///
    /// The region must lie inside the image, the window inside the resized image, and `source` must
    /// hold the pixels [`Cut::needed`] names.
    pub fn resize(&mut self, source: &Part, cut: &Cut, out: &mut Vec<u8>) {
        let (across, down) = cut.axes(source.reduction, source.whole);
        self.horizontal.compute(&across);
        self.vertical.compute(&down);
        let (first, end) = self.vertical.extent();
        let width = cut.window.width * 3;
        let stride = width + horizontal::SLACK;

        self.rows.clear();
        self.rows.resize((end - first) * stride, 0);
        if across.is_kept() {
            let from = (self.horizontal.extent().0 - source.left) * 3;
            for (y, to) in (first..end).zip(self.rows.chunks_exact_mut(stride)) {
                let row = source.image.row(y - source.top);
                to[..width].copy_from_slice(&row[from..][..width]);
            }
        } else {
            self.horizontal.make_uniform();
            let pass = HorizontalPass {
                source,
                taps: &self.horizontal,
                first,
                stride,
            };
            pass.run(&mut self.horizontal_buffers, &mut self.rows);
        }

        out.clear();
        if down.is_kept() {
            let rows = self.rows.chunks_exact(stride);
            rows.for_each(|row| out.extend_from_slice(&row[..width]));
            return;
        }
        out.resize(cut.window.height * width, 0);
        let (vertical, rows) = (&self.vertical, &self.rows);
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || vertical_pass(rows, (stride, width), first, vertical, out),
        );
    }
}

#[expect(clippy::cast_sign_loss, reason = "clamped to 0..=255")]
#[inline(always)]
fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Resizes a whole image to `width` x `height`, both at least 1.
pub fn resize(source: &RgbImage, width: usize, height: usize) -> RgbImage {
    let mut pixels = Vec::new();
    let window = Region {
        left: 0,
        top: 0,
        width,
        height,
    };
    let cut = Cut {
        region: source.region(),
        resized: (width, height),
        window,
    };
    Resizer::default().resize(&source.clone().into(), &cut, &mut pixels);
    RgbImage::new(width, height, pixels).unwrap_or_else(|| source.clone())
}
