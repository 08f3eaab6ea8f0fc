//! The clusters k-means of faiss finds: its random numbers choose the initial centroids, the rest
//! is Lloyd's algorithm. Faiss computes in single precision and splits a large cluster where one
//! runs empty; apart from that the clusters are the same.

use super::super::kmeans::{ITERATIONS, Start, kmeans};
use super::super::points::Space;
use crate::Result;

/// Seed of every clustering unless one is given.
const SEED: u32 = 1234;

/// Points used for each centroid by the Python class `faiss.Kmeans`; more are left out.
pub const POINTS_PER_CENTROID: usize = 256;

/// Cluster of each of the N rows of `embeddings` (row-major N×D) in `clusters` ≤ N clusters. At
/// most `per_centroid` rows a cluster are used to find the centroids.
pub fn clusters(
    embeddings: &[f32],
    dim: usize,
    clusters: usize,
    per_centroid: usize,
) -> Result<Vec<u32>> {
    let rows = embeddings.len() / dim;
    let gather = |rows: &[usize]| -> Vec<f32> {
        let row = |&row: &usize| embeddings[row * dim..][..dim].iter().copied();
        rows.iter().flat_map(row).collect()
    };
    let used = clusters.saturating_mul(per_centroid);
    let training = if rows > used {
        gather(&permutation(rows, SEED)[..used])
    } else {
        embeddings.to_vec()
    };
    let first = permutation(training.len() / dim, SEED + 1);
    let initial: Vec<f32> = first[..clusters]
        .iter()
        .flat_map(|&row| training[row * dim..][..dim].iter().copied())
        .collect();
    let start = Start::Centroids(&initial);
    let found = kmeans(&training, dim, Space::Euclidean, start, ITERATIONS)?;
    if rows <= used {
        return Ok(found.assignment);
    }
    let centroids: Vec<f32> = found.centroids.iter().map(|&value| value as f32).collect();
    let start = Start::Centroids(&centroids);
    Ok(kmeans(embeddings, dim, Space::Euclidean, start, 0)?.assignment)
}

/// The numbers 0..`length`, shuffled as `faiss::rand_perm` does.
fn permutation(length: usize, seed: u32) -> Vec<usize> {
    let mut random = MersenneTwister::new(seed);
    let mut numbers: Vec<usize> = (0..length).collect();
    for at in 0..length.saturating_sub(1) {
        numbers.swap(at, at + random.next() as usize % (length - at));
    }
    numbers
}

/// MT19937 (Matsumoto & Nishimura 1998), `std::mt19937` of C++.
struct MersenneTwister {
    state: [u32; Self::SIZE],
    at: usize,
}

impl MersenneTwister {
    const SIZE: usize = 624;
    const SHIFT: usize = 397;

    fn new(seed: u32) -> Self {
        let mut state = [seed; Self::SIZE];
        for at in 1..Self::SIZE {
            let before = state[at - 1];
            state[at] = (before ^ (before >> 30))
                .wrapping_mul(1_812_433_253)
                .wrapping_add(at as u32);
        }
        Self {
            state,
            at: Self::SIZE,
        }
    }

    fn refill(&mut self) {
        for at in 0..Self::SIZE {
            let joined =
                (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % Self::SIZE] & 0x7fff_ffff);
            let twisted = (joined >> 1) ^ if joined & 1 == 0 { 0 } else { 0x9908_b0df };
            self.state[at] = self.state[(at + Self::SHIFT) % Self::SIZE] ^ twisted;
        }
        self.at = 0;
    }

    fn next(&mut self) -> u32 {
        if self.at == Self::SIZE {
            self.refill();
        }
        let mut value = self.state[self.at];
        self.at += 1;
        value ^= value >> 11;
        value ^= (value << 7) & 0x9d2c_5680;
        value ^= (value << 15) & 0xefc6_0000;
        value ^ (value >> 18)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_thousandth_number_is_that_of_the_standard() {
        // ISO C++ [rand.predef]: the 10000th invocation of a default-constructed mt19937.
        let mut random = MersenneTwister::new(5489);
        let number = (0..10_000).map(|_| random.next()).last();
        assert_eq!(number, Some(4_123_659_995));
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut numbers = permutation(1000, SEED);
        assert_ne!(numbers, (0..1000).collect::<Vec<_>>());
        numbers.sort_unstable();
        assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
        assert!(permutation(0, SEED).is_empty());
    }
}
