//! Every random number of a run comes from here: a counter-based generator whose key *is* the
//! place where the number is used, so that no order of work, number of threads or resumption can
//! change a draw.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a stream of random numbers is used for. The discriminants are part of the format of a
/// run: they must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Class-disjoint splits of a dataset.
    Split = 1,
    /// Initial values of parameters; the item is a hash of the parameter's path.
    Initialization = 2,
    /// Composition of batches.
    BatchSampler = 3,
    /// Choice of tuples inside a batch.
    Miner = 4,
    /// Augmentation of one image; the item is the image's index.
    Augmentation = 5,
    /// Initial centroids and re-seeding of k-means.
    KMeans = 6,
    /// Points, batches and switches of the diagonal-lines experiment.
    Toy = 7,
    /// Choices that only concern a picture: queries shown, projections.
    Report = 8,
    /// Classes drawn again for the confidence intervals of metrics; the batch is the resample.
    Bootstrap = 9,
}

/// The generator of (seed, purpose, epoch, batch, item). Equal arguments give equal numbers on
/// every platform.
pub fn stream(seed: u64, purpose: Purpose, epoch: u32, batch: u32, item: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[0..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&(purpose as u32).to_le_bytes());
    key[12..16].copy_from_slice(&epoch.to_le_bytes());
    key[16..20].copy_from_slice(&batch.to_le_bytes());
    key[20..28].copy_from_slice(&item.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// A stable 64-bit hash of a name (FNV-1a), for keying streams by a parameter's path.
pub fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn equal_coordinates_give_equal_numbers_and_any_other_coordinate_differs() {
        let draw = |seed, purpose, epoch, batch, item| {
            stream(seed, purpose, epoch, batch, item).random::<u64>()
        };
        let reference = draw(1, Purpose::Miner, 2, 3, 4);
        assert_eq!(reference, draw(1, Purpose::Miner, 2, 3, 4));
        for other in [
            draw(0, Purpose::Miner, 2, 3, 4),
            draw(1, Purpose::BatchSampler, 2, 3, 4),
            draw(1, Purpose::Miner, 0, 3, 4),
            draw(1, Purpose::Miner, 2, 0, 4),
            draw(1, Purpose::Miner, 2, 3, 0),
        ] {
            assert_ne!(reference, other);
        }
    }
}
