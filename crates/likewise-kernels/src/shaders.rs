//! The files in `shaders/`, each a constant: the build script has checked them.

use crate::launch::Shader;

include!(concat!(env!("OUT_DIR"), "/shaders.rs"));
