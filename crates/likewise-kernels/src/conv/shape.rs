//! Sizes of a two-dimensional convolution, and its input gradient as a set of convolutions.

/// Kernel geometry of a convolution: `[height, width]` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

impl Window {
    /// Size of the output for an input of `size`, per axis. The kernel fits into the padded input.
    pub fn output(&self, size: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|a| {
            (size[a] + 2 * self.padding[a] - self.kernel[a]) / self.stride[a] + 1
        })
    }

    /// Number of positions of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }
}

/// How the images of a batch are read: for each position of a grid, a set of taps relative to it.
/// Zeros surround the images. Where positions are further apart than one row or column, the image
/// is kept as one plane for each residue of rows and columns that taps read, so that neighbouring
/// positions read neighbouring values.
#[derive(Clone, Debug)]
pub struct Gather {
    /// Channels and size of an image.
    pub channels: usize,
    pub size: [usize; 2],
    /// Zeros in front of each axis.
    pub before: [usize; 2],
    /// Distance of positions along each axis.
    pub stride: [usize; 2],
    /// The residues kept.
    pub residues: Vec<[usize; 2]>,
    /// Size of the plane of one residue.
    pub plane: [usize; 2],
    /// Positions along each axis.
    pub grid: [usize; 2],
    /// Offsets from a position to its taps within the planes of a channel.
    pub taps: Vec<usize>,
}

impl Gather {
    /// The patches a convolution multiplies with its kernel.
    pub fn patches(channels: usize, size: [usize; 2], window: &Window) -> Self {
        let stride = window.stride;
        let plane: [usize; 2] =
            std::array::from_fn(|a| (size[a] + 2 * window.padding[a]).div_ceil(stride[a]));
        let [height, width] = window.kernel;
        let mut residues = Vec::new();
        let mut taps = Vec::with_capacity(window.taps());
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let residue = [y % stride[0], x % stride[1]];
            let known = residues.iter().position(|other| *other == residue);
            let index = known.unwrap_or(residues.len());
            if known.is_none() {
                residues.push(residue);
            }
            let place = y / stride[0] * plane[1] + x / stride[1];
            taps.push(index * plane[0] * plane[1] + place);
        }
        Self {
            channels,
            size,
            before: window.padding,
            stride,
            residues,
            plane,
            grid: window.output(size),
            taps,
        }
    }

    /// Values of one patch.
    pub fn depth(&self) -> usize {
        self.channels * self.taps.len()
    }

    /// Positions of one image.
    pub fn positions(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Values of the planes of one channel.
    pub fn planes(&self) -> usize {
        self.residues.len() * self.plane[0] * self.plane[1]
    }

    /// Values of one image with all its planes.
    pub fn padded_image(&self) -> usize {
        self.channels * self.planes()
    }

    /// Values of one image.
    pub fn image(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    /// Whether the padded image is the image itself.
    pub fn is_unpadded(&self) -> bool {
        self.stride == [1, 1] && self.plane == self.size
    }

    /// Offsets of the patch values from a position's place, in order (channel, tap).
    pub fn shifts(&self) -> Vec<usize> {
        let channel = |channel| {
            self.taps
                .iter()
                .map(move |tap| channel * self.planes() + tap)
        };
        (0..self.channels).flat_map(channel).collect()
    }
}

/// The input positions of one residue class modulo the stride. Their gradient is an ordinary
/// convolution of the output gradient with the kernel taps that reach them.
pub struct Phase {
    /// Patches of the output gradient.
    pub gather: Gather,
    /// Kernel taps (`row · kernel width + column`), in the order of `gather.taps`.
    pub kernel_taps: Vec<usize>,
    /// First input position of the class.
    pub origin: [usize; 2],
}

/// Splits the input gradient into phases; all read the output gradient padded alike. `size` is
/// that of the input.
pub fn phases(channels_out: usize, size: [usize; 2], window: &Window) -> Vec<Phase> {
    let output = window.output(size);
    let axes: [Vec<AxisPhase>; 2] = std::array::from_fn(|a| axis_phases(a, size[a], window));
    // Every tap of every phase stays inside this padding.
    let extent = |a: usize| {
        let taps = || {
            axes[a]
                .iter()
                .flat_map(|phase| phase.taps.iter().map(move |tap| (phase, tap)))
        };
        let before = taps().map(|(_, tap)| -tap.1).max().unwrap_or(0).max(0);
        let last = taps()
            .map(|(phase, tap)| phase.count as isize - 1 + tap.1)
            .max()
            .unwrap_or(0);
        let end = (last + 1).max(output[a] as isize);
        (before as usize, (before + end) as usize)
    };
    let [(before_y, padded_y), (before_x, padded_x)] = [extent(0), extent(1)];
    let (before, padded) = ([before_y, before_x], [padded_y, padded_x]);
    let mut phases = Vec::new();
    for y in &axes[0] {
        for x in &axes[1] {
            let pairs = || {
                y.taps
                    .iter()
                    .flat_map(|ty| x.taps.iter().map(move |tx| (ty, tx)))
            };
            let offset = |tap: isize, before: usize| (tap + before as isize) as usize;
            let taps = pairs()
                .map(|(ty, tx)| offset(ty.1, before[0]) * padded[1] + offset(tx.1, before[1]))
                .collect();
            let kernel_taps = pairs()
                .map(|(ty, tx)| ty.0 * window.kernel[1] + tx.0)
                .collect();
            let gather = Gather {
                channels: channels_out,
                size: output,
                before,
                stride: [1, 1],
                residues: vec![[0, 0]],
                plane: padded,
                grid: [y.count, x.count],
                taps,
            };
            phases.push(Phase {
                gather,
                kernel_taps,
                origin: [y.origin, x.origin],
            });
        }
    }
    phases
}

struct AxisPhase {
    origin: usize,
    count: usize,
    /// Kernel index and offset from the position within the phase to the output position.
    taps: Vec<(usize, isize)>,
}

/// Input position `origin + q·stride` receives from output position `q + offset` through kernel
/// index `k` where `(q + offset)·stride + k − padding` is that input position.
fn axis_phases(axis: usize, size: usize, window: &Window) -> Vec<AxisPhase> {
    let (kernel, stride) = (window.kernel[axis], window.stride[axis]);
    (0..stride.min(size))
        .map(|origin| {
            let reach = (origin + window.padding[axis]) as isize;
            let taps = (0..kernel)
                .filter(|&k| (reach - k as isize).rem_euclid(stride as isize) == 0)
                .map(|k| (k, (reach - k as isize).div_euclid(stride as isize)))
                .collect();
            AxisPhase {
                origin,
                count: (size - origin).div_ceil(stride),
                taps,
            }
        })
        .collect()
}
