//! The training images by class: all that the samplers without embeddings look at.

use std::collections::BTreeMap;

/// The images of each training class, by dataset index.
#[derive(Clone, Debug)]
pub struct ClassIndex {
    classes: Vec<Vec<usize>>,
    class_of: Vec<usize>,
}

impl ClassIndex {
    /// Groups the images 0..N by their label; classes without an image are left out.
    pub fn new(labels: &[u32]) -> Self {
        let mut by_label: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (image, &label) in labels.iter().enumerate() {
            by_label.entry(label).or_default().push(image);
        }
        let classes: Vec<Vec<usize>> = by_label.into_values().collect();
        let mut class_of = vec![0; labels.len()];
        for (class, images) in classes.iter().enumerate() {
            for &image in images {
                class_of[image] = class;
            }
        }
        Self { classes, class_of }
    }

    /// Images of each class, in order of the label.
    pub fn classes(&self) -> &[Vec<usize>] {
        &self.classes
    }

    /// Place in [`classes`](Self::classes) of the class of an image below N.
    pub fn class_of(&self, image: usize) -> usize {
        self.class_of[image]
    }

    /// Number of images N.
    pub fn images(&self) -> usize {
        self.class_of.len()
    }
}
