//! Parallel loops where there are threads, plain loops in the browser. What a loop computes never
//! depends on the number of threads: callers cut the work by shape alone.

/// Threads a loop runs on.
pub fn threads() -> usize {
    #[cfg(not(target_family = "wasm"))]
    return rayon::current_num_threads();
    #[cfg(target_family = "wasm")]
    1
}

/// Calls `f` once for each item.
#[cfg(not(target_family = "wasm"))]
pub fn for_each<T: Send>(items: Vec<T>, f: impl Fn(T) + Send + Sync) {
    use rayon::prelude::*;
    // One item at a time: items are large and few.
    items.into_par_iter().with_max_len(1).for_each(f);
}

/// Calls `f` once for each item.
#[cfg(target_family = "wasm")]
pub fn for_each<T: Send>(items: Vec<T>, f: impl Fn(T) + Send + Sync) {
    items.into_iter().for_each(f);
}

/// Calls `f` with the number and the elements of each chunk of `size` elements (the last may be
/// shorter).
pub fn for_each_chunk<T: Send>(
    output: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    let chunks = output.chunks_mut(size).enumerate().collect();
    for_each(chunks, |(index, chunk)| f(index, chunk));
}

/// What `f` gives for each item, in their order.
pub fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let work = items.into_iter().zip(&mut results).collect();
    for_each(work, |(item, result)| *result = Some(f(item)));
    results.into_iter().flatten().collect()
}
