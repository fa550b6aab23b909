// Ranges that several margins share. Logits are float32 natively: a scale beyond it would turn them, or their differences, into NaN.

/** Scales of cosines. */
export const scaleRange = { min: 0, max: 1e30, exclusive: true };
/** Divisors of cosines. */
export const temperatureRange = { min: 1e-30 };
/** Factors of what is squared or scaled again. */
export const factorRange = { min: 0, max: 1e6, exclusive: true };
