"use strict";
// The statistics of lab2/compare/ for two rows, so that a reader can choose rows, seeds and classes. Names and formulas
// are those of variance.py, answer.py and correctness.py; tests/test_page_statistics.py holds the two together.
const statistics = (() => {
  const FEW = 5;

  // ln of the gamma function: Lanczos, g = 607/128 (Godfrey 2001); 15 digits.
  const LANCZOS = [
    0.99999999999999709182, 57.156235665862923517, -59.597960355475491248, 14.136097974741747174,
    -0.49191381609762019978, 0.33994649984811888699e-4, 0.46523628927048575665e-4, -0.98374475304879564677e-4,
    0.15808870322491248884e-3, -0.21026444172410488319e-3, 0.2174396181152126432e-3, -0.16431810653676389022e-3,
    0.84418223983852743293e-4, -0.2619083840158140867e-4, 0.36899182659531622704e-5,
  ];
  function lnGamma(x) {
    let sum = LANCZOS[0];
    for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i] / (x + i - 1);
    const t = x - 1 + 607 / 128 + 0.5;
    return (x - 0.5) * Math.log(t) - t + Math.log(Math.sqrt(2 * Math.PI) * sum);
  }

  // ln Gamma(a) + ln Gamma(b) - ln Gamma(a + b), by Stirling's series where the difference of large terms loses digits.
  function lnBeta(a, b) {
    if (a < b) return lnBeta(b, a);
    if (a < 1e4) return lnGamma(a) + lnGamma(b) - lnGamma(a + b);
    const rest = (x) => 1 / (12 * x) - 1 / (360 * x ** 3);
    if (b < 1e4) {
      return lnGamma(b) + (a - 0.5) * Math.log1p(-b / (a + b)) - b * Math.log(a + b) + b + rest(a) - rest(a + b);
    }
    return 0.5 * Math.log((2 * Math.PI * (a + b)) / a / b) + a * Math.log(a / (a + b)) + b * Math.log(b / (a + b)) +
      rest(a) + rest(b) - rest(a + b);
  }

  // The regularised incomplete beta function: continued fraction of DLMF 8.17.22, by Lentz's method.
  function betainc(a, b, x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - betainc(b, a, 1 - x);
    const tiny = 1e-300;
    let c = 1, d = 1 / (1 - ((a + b) * x) / (a + 1) || tiny), f = d;
    for (let m = 1; m < 20000; m++) {
      for (const factor of [
        (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
        (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
      ]) {
        d = 1 / (1 + factor * d || tiny);
        c = 1 + factor / c || tiny;
        f *= c * d;
      }
      if (Math.abs(c * d - 1) < 1e-15) break;
    }
    return (f * Math.exp(a * Math.log(x) + b * Math.log1p(-x) - lnBeta(a, b))) / a;
  }

  // Where a rising function is 0, by bisection to the last bit.
  function root(above, low, high) {
    for (let i = 0; i < 200; i++) {
      const middle = (low + high) / 2;
      if (middle <= low || middle >= high) break;
      if (above(middle) < 0) low = middle; else high = middle;
    }
    return (low + high) / 2;
  }

  // P(T > t) of Student's t, t >= 0; df = Infinity: of the normal distribution.
  function tail(t, df) {
    if (df === Infinity) return 0.5 * erfc(t / Math.SQRT2);
    return 0.5 * betainc(df / 2, 0.5, df / (df + t * t));
  }

  // erfc for x >= 0: series of DLMF 7.6.2 below 2.5, above it the continued fraction of 7.9.2.
  function erfc(x) {
    if (x < 2.5) {
      let term = x, sum = x;
      for (let n = 1; n < 200 && Math.abs(term) > 1e-17 * sum; n++) sum += term = (term * 2 * x * x) / (2 * n + 1);
      return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
    }
    let f = x;
    for (let n = 120; n > 0; n--) f = x + n / 2 / f;
    return Math.exp(-x * x) / Math.sqrt(Math.PI) / f;
  }

  // t with P(T > t) = share, share < 1/2.
  function quantile(share, df) {
    let high = 2;
    while (tail(high, df) > share && high < 1e9) high *= 2;
    return root((t) => share - tail(t, df), 0, high);
  }

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = (values) => {
    const centre = mean(values);
    return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
  };

  // One row: `rows`, an array of N zeros and ones a seed; `groups`, N numbers from 0 to cases - 1, or null.
  function sample(rows, groups, cases, fixed) {
    const count = rows[0].length;
    const bySeed = rows.map((row) => row.reduce((sum, one) => sum + one, 0) / count);
    const contributions = new Float64Array(cases), centred = rows.map(() => new Float64Array(cases));
    if (groups === null) {
      rows.forEach((row, s) => row.forEach((one, i) => {
        contributions[i] += one / rows.length;
        centred[s][i] = one - bySeed[s];
      }));
    } else {
      const sizes = new Float64Array(cases);
      groups.forEach((group) => { sizes[group] += 1; });
      rows.forEach((row, s) => {
        const sums = new Float64Array(cases);
        row.forEach((one, i) => { sums[groups[i]] += one; });
        sums.forEach((sum, j) => {
          contributions[j] += (sum / rows.length) * (cases / count);
          centred[s][j] = (sum - bySeed[s] * sizes[j]) * (cases / count);
        });
      });
    }
    return { bySeed, contributions, centred, seeds: rows.length, mean: mean(bySeed), fixed };
  }

  // R / S of a row, and the mean over its seeds of each case.
  function byCase(one) {
    const n = one.contributions.length, middle = new Float64Array(n);
    for (const row of one.centred) row.forEach((value, i) => { middle[i] += value / one.seeds; });
    let left = 0;
    for (const row of one.centred) row.forEach((value, i) => { left += (value - middle[i]) ** 2; });
    return { middle, residual: left / Math.max(1, (one.seeds - 1) * (n - 1) * one.seeds) };
  }

  // `Variances.between` of variance.py.
  function split(first, second) {
    const n = first.contributions.length;
    const a = byCase(first), b = byCase(second);
    let spreadOfImages = 0;
    for (let i = 0; i < n; i++) spreadOfImages += (a.middle[i] - b.middle[i]) ** 2 / (n - 1);
    const parts = [[first, a], [second, b]].map(([one, { residual }]) => {
      const seeds = one.seeds > 1 ? variance(one.bySeed) / one.seeds : 0;
      return { part: Math.max(seeds, residual / n), seeds: one.seeds };
    });
    const few = fewCases(first, second, spreadOfImages);
    const images = Math.max(0, spreadOfImages - a.residual - b.residual) / n + few;
    const seeds = parts[0].part + parts[1].part;
    const spread = parts.reduce((sum, { part, seeds: count }) => sum + (count > 1 ? part ** 2 / (count - 1) : 0), 0) +
      images ** 2 / (n - 1);
    return { variance: seeds + images, networks: spreadOfImages / n + few,
      df: spread > 0 ? (seeds + images) ** 2 / spread : Infinity };
  }

  function fewCases(first, second, spreadOfImages) {
    let differing = 0, most = 0;
    first.contributions.forEach((value, i) => {
      const apart = Math.abs(value - second.contributions[i]);
      most = Math.max(most, apart);
      if (apart > 1e-12) differing += 1;
    });
    if (differing > FEW && spreadOfImages > 1e-15) return 0;
    return (2 * (differing ? most : 1) ** 2) / first.contributions.length ** 2;
  }

  function student(difference, spread, df, alpha) {
    const half = quantile(alpha / 2, df) * Math.sqrt(spread);
    return { difference, low: Math.max(-1, difference - half), high: Math.min(1, difference + half),
      p: Math.min(1, 2 * tail(Math.abs(difference) / Math.sqrt(spread), df)) };
  }

  // P(X >= k) of n fair coins.
  const coins = (k, n) => (k > 0 ? betainc(k, n - k + 1, 0.5) : 1);

  // McNemar's exact test; the interval is Bonett and Price's, exact next to 0.
  function mcnemar(b, c, images, alpha) {
    const p = b === c ? 1 : Math.min(1, 2 * coins(Math.max(b, c), b + c));
    const n = images + 2, centre = (b - c) / n;
    let { low, high } = student(centre, (b + c + 2 - (b - c) ** 2 / n) / n ** 2, Infinity, alpha);
    if ((p < alpha) !== (low > 0 || high < 0)) {
      const all = b + c, share = all / images;
      const least = b ? root((x) => betainc(b, all - b + 1, x) - alpha / 2, 0, 1) : 0;
      const most = c ? root((x) => betainc(b + 1, all - b, x) - 1 + alpha / 2, 0, 1) : 1;
      if (b > c) low = share * (2 * least - 1); else high = share * (2 * most - 1);
    }
    return { difference: (b - c) / images, low, high, p };
  }

  // Question 3 of docs/statistics.md; of two rows with one seed each question 1. `first` and `second` are samples.
  function compare(first, second, grouped, alpha = 0.05) {
    if (first.seeds === 1 && second.seeds === 1 && !grouped) {
      let b = 0, c = 0;
      first.contributions.forEach((value, i) => {
        if (value > second.contributions[i]) b += 1; else if (value < second.contributions[i]) c += 1;
      });
      return { ...mcnemar(b, c, first.contributions.length, alpha), method: "McNemar's exact test" };
    }
    const found = split(first, second), difference = first.mean - second.mean;
    if (first.seeds === 1 && second.seeds === 1) {
      const df = first.contributions.length - 1;
      return { ...student(difference, found.networks, df, alpha), method: "variance over images" };
    }
    return { ...student(difference, found.variance, found.df, alpha), method: "variance over seeds and images" };
  }

  // A difference of shares in points, as Python's `f"{100 * share:+.2f}"` rounds it: a tie goes to the even digit.
  function signed(share) {
    const points = 100 * share;
    let text = Math.abs(points).toFixed(2);
    const eighths = Math.abs(points) * 8;
    if (Number.isInteger(eighths) && eighths % 2 === 1) {
      const low = Math.floor(Math.abs(points) * 100);
      text = ((low % 2 === 0 ? low : low + 1) / 100).toFixed(2);
    }
    if (Number(text) === 0) return "0.00";
    return (points < 0 ? "\u2212" : "+") + text;
  }

  return { sample, compare, signed };
})();
