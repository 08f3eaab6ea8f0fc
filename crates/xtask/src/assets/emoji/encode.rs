//! Lossless-mode WebP with libwebp's near-lossless preprocessing. Drawings of at most 256 colours
//! stay exact; values in gradients move by a few levels, edges and colour resolution stay. Exact
//! coding of all drawings passes the pack's limit; lossy WebP of this size is 10 dB worse.

use anyhow::{Result, anyhow};
use webp::{Encoder, WebPConfig};

use super::icons::SIZE;

/// Near-lossless levels: 20 moves a value by 8 at most, 0 by 16.
const LEVELS: [i32; 2] = [20, 0];

/// A drawing is stored at the first level that needs at most this many bytes.
const TARGET_BYTES: usize = 1500;

/// Encodes `[SIZE, SIZE, 3]`.
pub fn encode(pixels: &[u8]) -> Result<Vec<u8>> {
    let mut encoded = Vec::new();
    for level in LEVELS {
        let mut config = WebPConfig::new().map_err(|()| anyhow!("libwebp has another version"))?;
        config.lossless = 1;
        config.quality = 100.0;
        config.method = 6;
        config.near_lossless = level;
        let memory = Encoder::from_rgb(pixels, SIZE, SIZE)
            .encode_advanced(&config)
            .map_err(|error| anyhow!("libwebp failed: {error:?}"))?;
        encoded = memory.to_vec();
        if encoded.len() <= TARGET_BYTES {
            break;
        }
    }
    Ok(encoded)
}
