//! Singular values in double precision on the CPU, by one-sided Jacobi iteration (Hestenes, 1958).

/// More than any matrix needs; about ten are usual.
const SWEEPS: usize = 60;

/// Vectors whose cosine is not larger are orthogonal.
const COSINE: f64 = 1e-14;

/// Singular values of the row-major matrix `x` of `rows` rows and `columns` columns, the largest
/// first. If it holds anything that is not finite, all are NaN.
pub fn singular_values(x: &[f32], rows: usize, columns: usize) -> Vec<f64> {
    let [count, length] = [rows.min(columns), rows.max(columns)];
    if !x.iter().all(|value| value.is_finite()) {
        return vec![f64::NAN; count];
    }
    let mut vectors: Vec<f64> = if rows <= columns {
        x.iter().copied().map(f64::from).collect()
    } else {
        let column = |column| x.iter().skip(column).step_by(columns);
        (0..columns)
            .flat_map(column)
            .copied()
            .map(f64::from)
            .collect()
    };
    for _ in 0..SWEEPS {
        if !sweep(&mut vectors, length) {
            break;
        }
    }
    let mut values: Vec<f64> = vectors
        .chunks_exact(length)
        .map(|vector| dot(vector, vector).sqrt())
        .collect();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    values
}

/// Makes each vector orthogonal to each other in turn; whether any was not.
fn sweep(vectors: &mut [f64], length: usize) -> bool {
    let mut turned = false;
    for end in (2 * length..=vectors.len()).step_by(length) {
        let (before, last) = vectors[..end].split_at_mut(end - length);
        for first in before.chunks_exact_mut(length) {
            turned |= orthogonalise(first, last);
        }
    }
    turned
}

/// Turns two vectors in their plane until they are orthogonal; whether they were not.
fn orthogonalise(a: &mut [f64], b: &mut [f64]) -> bool {
    let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
    if ab.abs() <= COSINE * (aa * bb).sqrt() {
        return false;
    }
    let difference = bb - aa;
    let tangent = 2.0 * ab / (difference + difference.hypot(2.0 * ab).copysign(difference));
    let cosine = tangent.mul_add(tangent, 1.0).sqrt().recip();
    let sine = cosine * tangent;
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
    true
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
