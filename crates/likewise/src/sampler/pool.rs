//! The pool: the part of the training set that one batch is chosen from. Its images and its
//! embeddings are kept together, so that a choice among the embeddings names its images.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::draw::Draw;
use super::points::Points;
use super::projection::project;
use crate::Result;

/// Different training images and their embeddings.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    /// Dataset index of each row.
    pub images: Vec<usize>,
    /// The embeddings, projected if asked for.
    pub points: Points,
}

impl Pool {
    /// `size` images drawn uniformly, all of them if there are fewer.
    pub fn uniform(
        draw: &Draw<'_>,
        size: usize,
        projection_dim: Option<usize>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let all = draw.index.images();
        Self::new(
            draw,
            sample(rng, all, size.min(all)).into_vec(),
            projection_dim,
        )
    }

    /// `size` images, `samples_per_class` at a time of a uniformly drawn class that has any left;
    /// all images if there are fewer.
    pub fn by_class(
        draw: &Draw<'_>,
        size: usize,
        samples_per_class: usize,
        projection_dim: Option<usize>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let classes = draw.index.classes();
        let size = size.min(draw.index.images());
        let mut open: Vec<usize> = (0..classes.len()).collect();
        let mut left: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut images = Vec::with_capacity(size);
        while images.len() < size {
            let at = rng.random_range(0..open.len());
            let class = left
                .entry(open[at])
                .or_insert_with_key(|&class| classes[class].clone());
            for _ in 0..samples_per_class.min(size - images.len()).min(class.len()) {
                images.push(class.swap_remove(rng.random_range(0..class.len())));
            }
            if class.is_empty() {
                open.swap_remove(at);
            }
        }
        Self::new(draw, images, projection_dim)
    }

    fn new(draw: &Draw<'_>, images: Vec<usize>, projection_dim: Option<usize>) -> Result<Self> {
        let bank = draw.bank()?;
        let rows = images.iter().map(|&image| (image, bank.row(image)));
        let mut points = Points::gather(rows, bank.dimension())?;
        if let Some(dimension) = projection_dim {
            points = project(&points, dimension, &mut draw.projection());
        }
        Ok(Self { images, points })
    }

    /// The images at these places of the pool.
    pub fn images_at(&self, places: &[usize]) -> Vec<usize> {
        places.iter().map(|&place| self.images[place]).collect()
    }

    /// Places in the pool of each class that can give a group of `samples_per_class`: has as many,
    /// or all images there are of it.
    pub fn groups(&self, draw: &Draw<'_>, samples_per_class: usize) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, &image) in self.images.iter().enumerate() {
            groups
                .entry(draw.index.class_of(image))
                .or_default()
                .push(place);
        }
        groups.retain(|&class, places| {
            places.len() >= samples_per_class.min(draw.index.classes()[class].len())
        });
        groups.into_values().collect()
    }
}
