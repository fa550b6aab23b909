// Shared by the op interfaces: what crosses from the face to a backend, checked, resolved and flat.

/** float32 in the product; float64 where the gradient checks call the reference backend directly. */
export type Values = Float32Array | Float64Array;

/** x̂ = x / max(‖x‖, shortest): below it the divisor is a constant, and a zero row stays zero (as PyTorch's `F.normalize`). */
export const shortest = 1e-12;
