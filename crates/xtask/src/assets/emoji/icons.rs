//! Reading iconify packages, choosing the emoji, rendering them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use serde::Deserialize;

/// Side of a rendered drawing, in pixels.
pub const SIZE: u32 = 64;

/// One package of drawings.
pub struct IconSet {
    pub package: String,
    pub version: String,
    pub info: Info,
    icons: Icons,
}

/// `info.json`, as far as needed.
#[derive(Deserialize)]
pub struct Info {
    pub author: Author,
    pub license: License,
}

#[derive(Deserialize)]
pub struct Author {
    pub name: String,
    pub url: String,
}

#[derive(Deserialize)]
pub struct License {
    pub spdx: String,
}

/// `icons.json`, as far as needed. Lengths not given fall back to the set's, then to 16.
#[derive(Deserialize)]
struct Icons {
    prefix: String,
    icons: BTreeMap<String, Icon>,
    width: Option<f64>,
    height: Option<f64>,
}

#[derive(Deserialize)]
struct Icon {
    body: String,
    left: Option<f64>,
    top: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
}

impl IconSet {
    /// Reads `iconify-json-NAME-VERSION.tgz`.
    pub fn read(folder: &Path, name: &str, version: &str) -> Result<Self> {
        let path = folder.join(format!("iconify-json-{name}-{version}.tgz"));
        let archive = || -> Result<_> {
            let file = std::fs::File::open(&path)?;
            Ok(tar::Archive::new(GzDecoder::new(file)))
        };
        let member = |wanted: &str| -> Result<String> {
            for entry in archive()?.entries()? {
                let mut entry = entry?;
                if entry.path()?.ends_with(wanted) {
                    let mut text = String::new();
                    entry.read_to_string(&mut text)?;
                    return Ok(text);
                }
            }
            anyhow::bail!("holds no {wanted}")
        };
        let context = || format!("cannot read {}", path.display());
        Ok(Self {
            package: format!("@iconify-json/{name}"),
            version: version.to_owned(),
            info: serde_json::from_str(&member("info.json").with_context(context)?)?,
            icons: serde_json::from_str(&member("icons.json").with_context(context)?)?,
        })
    }

    /// The vendor's key, e.g. `noto`.
    pub fn vendor(&self) -> &str {
        &self.icons.prefix
    }

    /// Renders one drawing, padded to a square, over white: `[SIZE, SIZE, 3]`.
    pub fn render(&self, name: &str) -> Result<Vec<u8>> {
        let icon = self
            .icons
            .icons
            .get(name)
            .with_context(|| format!("no icon {name}"))?;
        let width = icon.width.or(self.icons.width).unwrap_or(16.0);
        let height = icon.height.or(self.icons.height).unwrap_or(16.0);
        let side = width.max(height);
        let left = icon.left.unwrap_or(0.0) - (side - width) / 2.0;
        let top = icon.top.unwrap_or(0.0) - (side - height) / 2.0;
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{SIZE}" height="{SIZE}" viewBox="{left} {top} {side} {side}">{}</svg>"#,
            icon.body
        );
        let context = || format!("cannot render {name} of {}", self.package);
        let tree = Tree::from_str(&svg, &Options::default()).with_context(context)?;
        let mut canvas = Pixmap::new(SIZE, SIZE).with_context(context)?;
        canvas.fill(Color::WHITE);
        resvg::render(&tree, Transform::identity(), &mut canvas.as_mut());
        // Opaque after the white fill, so premultiplied values are the colours themselves.
        Ok(canvas
            .data()
            .chunks_exact(4)
            .flat_map(|pixel| pixel[..3].to_vec())
            .collect())
    }
}

/// An emoji and the sets (by index) that draw it.
pub struct Class {
    pub name: String,
    pub sets: Vec<usize>,
}

/// Emoji drawn by at least `min_vendors` sets, by name.
pub fn select(sets: &[IconSet], min_vendors: usize) -> Vec<Class> {
    let mut drawn: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, set) in sets.iter().enumerate() {
        for name in set.icons.icons.keys().filter(|name| !is_variant(name)) {
            drawn.entry(name).or_default().push(index);
        }
    }
    drawn
        .into_iter()
        .filter(|(_, sets)| sets.len() >= min_vendors)
        .map(|(name, sets)| Class {
            name: name.to_owned(),
            sets,
        })
        .collect()
}

/// Skin tones, flags, keys, clock faces, letters, people by gender or hair: variants of one
/// drawing that no vendor-independent feature tells apart, or that are mere text.
fn is_variant(name: &str) -> bool {
    const TONES: [&str; 5] = ["light", "medium-light", "medium", "medium-dark", "dark"];
    const PEOPLE: [&str; 8] = [
        "man", "men", "woman", "women", "person", "people", "boy", "girl",
    ];
    let has_part = |part: &str| format!("-{name}-").contains(&format!("-{part}-"));
    let starts = |parts: &[&str]| parts.iter().any(|part| name.starts_with(part));
    let ends = |parts: &[&str]| parts.iter().any(|part| name.ends_with(part));
    let first = name.chars().next().unwrap_or('0');
    name.contains("skin-tone")
        || TONES.into_iter().any(has_part)
        || starts(&["flag", "keycap", "regional", "blank", "family", "kiss-"])
        || name.contains("couple")
        || (name.len() == 1 && first.is_ascii_lowercase())
        || first.is_ascii_digit()
        || ends(&["-button", "-thirty", "-hair", "-beard"])
        || is_clock_face(name)
        || PEOPLE
            .iter()
            .any(|person| name.starts_with(&format!("{person}-")))
}

/// `WORD-oclock`.
fn is_clock_face(name: &str) -> bool {
    name.strip_suffix("-oclock").is_some_and(|hour| {
        !hour.is_empty() && hour.chars().all(|letter| letter.is_ascii_alphanumeric())
    })
}
