export function faults(pictures: readonly Uint8Array[]): ('blank' | 'boxed' | undefined)[];
export function likeness(one: readonly (Uint8Array | undefined)[], other: readonly (Uint8Array | undefined)[]): number;
