//! Files that PyTorch wrote, read without it; and files that nobody should trust.

use std::path::PathBuf;

use super::{WeightFile, digest, read};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/weights")
        .join(name)
}

/// Reads `bytes` from a file called `name`.
fn read_as(name: &str, bytes: &[u8]) -> anyhow::Result<WeightFile> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read(&path)
}

fn message(result: anyhow::Result<WeightFile>) -> String {
    format!("{:#}", result.map(|file| file.format).unwrap_err())
}

#[test]
fn both_formats_of_pytorch_hold_what_safetensors_holds() {
    let expected = read(&fixture("expected.safetensors")).unwrap();
    assert_eq!(expected.format, "safetensors");
    for (name, format) in [
        ("before_1_6.pth", "PyTorch (before 1.6)"),
        ("since_1_6.pth", "PyTorch (zip archive)"),
    ] {
        let file = read(&fixture(name)).unwrap();
        assert_eq!(file.format, format);
        let names = |file: &WeightFile| file.weights.tensors.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&file), names(&expected));
        for (name, data) in &expected.weights.tensors {
            let actual = &file.weights.tensors[name];
            assert_eq!(actual.shape(), data.shape(), "{name}");
            let values = |data: &burn::tensor::TensorData| data.iter::<f64>().collect::<Vec<_>>();
            assert_eq!(values(actual), values(data), "{name}");
        }
    }
}

#[test]
fn a_name_that_promises_a_digest_is_held_to_it() {
    let bytes = std::fs::read(fixture("before_1_6.pth")).unwrap();
    let sha256 = digest(&bytes);
    assert!(read_as(&format!("net-{}.pth", &sha256[..8]), &bytes).is_ok());
    let text = message(read_as("net-0123abcd.pth", &bytes));
    assert!(
        text.contains("0123abcd") && text.contains(&sha256[..8]),
        "{text}"
    );
    // No digest: a date, a number of another length, upper case.
    for name in [
        "net-20241124x.pth",
        "net-123.pth",
        "net-0123ABCD.pth",
        "net.pth",
    ] {
        assert!(read_as(name, &bytes).is_ok(), "{name}");
    }
}

/// Cut anywhere, a file is an error and never a panic.
#[test]
fn a_download_that_stopped_is_refused() {
    for name in ["before_1_6.pth", "since_1_6.pth", "expected.safetensors"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let step = (bytes.len() / 300).max(1);
        for length in (0..bytes.len())
            .step_by(step)
            .chain(bytes.len() - 8..bytes.len())
        {
            let text = message(read_as("cut.pth", &bytes[..length]));
            assert!(text.contains("cut.pth"), "{name} of {length} bytes: {text}");
        }
    }
}

/// Bytes changed anywhere are an error or other numbers, never a panic.
#[test]
fn a_damaged_file_never_panics() {
    for name in ["before_1_6.pth", "since_1_6.pth"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for place in (0..bytes.len().min(6_000)).step_by(7) {
            for value in [0x00, 0xff, b'R', b'.'] {
                let mut damaged = bytes.clone();
                damaged[place] = value;
                let _ = read_as("damaged.pth", &damaged).map(|file| file.weights);
            }
        }
    }
}

/// A pickle that would run a command where it is trusted.
#[test]
fn nothing_is_executed() {
    // PyTorch's magic number, its version and the system's description, then the object.
    let mut bytes =
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.".to_vec();
    bytes.extend(b"\x80\x02}q\x00X\x0d\x00\x00\x00little_endianq\x01\x88s.");
    let marker = std::env::temp_dir().join("likewise-was-here");
    let command = format!("touch {}", marker.display());
    bytes.extend(b"cos\nsystem\n(X");
    bytes.extend(u32::try_from(command.len()).unwrap().to_le_bytes());
    bytes.extend(command.as_bytes());
    bytes.extend(b"tR.");
    let text = message(read_as("evil.pth", &bytes));
    assert!(
        text.contains("os.system") || text.contains("os system"),
        "{text}"
    );
    assert!(!marker.exists());
}

#[test]
fn something_else_is_refused() {
    for bytes in [
        &b""[..],
        b"hello",
        &[0; 64],
        b"GIF89a...........................",
    ] {
        let text = message(read_as("other.pth", bytes));
        assert!(
            text.contains("other.pth") && text.contains(".safetensors"),
            "{text}"
        );
    }
}
