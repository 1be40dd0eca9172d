// The colours of groups: ten that colour-blind people tell apart (Petroff 2021), grey last, since what has no colour is grey.
export const HUES = [0, 1, 2, 4, 9, 6, 5, 7, 8, 3].map((number) => `var(--series-${number})`);
