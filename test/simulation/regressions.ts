// Seeds that berth has failed once. A change to the simulator gives a seed another meaning: they are kept all the same.
export const regressions: readonly number[] = [
  9, 65, 114, 266, 462, 641, 701, 770, 784, 854, 1017, 1540, 1612, 1837, 1856, 1973, 2045, 2179,
  2281, 2401, 2691, 2831, 3334, 3672, 3707, 4247, 4387, 4868, 5011, 5516, 7249, 7748, 8467, 9342,
  101634, 202749, 403134, 407366, 407846, 408046, 409963, 414420, 416485, 20008599, 20008827,
  20010266, 20011266, 237947774,
];
