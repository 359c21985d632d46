// Waveforms and spectrograms on canvases, drawn from the samples of an excerpt.

const RANGE_DB = 80; // of the colours
const FLOOR = 1e-6; // of magnitudes
const STOPS = [[6, 8, 26], [66, 28, 118], [168, 48, 112], [236, 106, 62], [252, 190, 66], [255, 252, 214]];
const COLOURS = new Uint32Array(
  Uint8ClampedArray.from({ length: 4 * 256 }, (_, i) => {
    const place = ((i >> 2) / 256) * (STOPS.length - 1);
    const [low, high] = [STOPS[Math.floor(place)], STOPS[Math.floor(place) + 1]];
    return i % 4 === 3 ? 255 : low[i % 4] + (place % 1) * (high[i % 4] - low[i % 4]);
  }).buffer,
);

// Transform in place, by powers of two (Cooley and Tukey, 1965).
function fft(real, imaginary) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let span = 2; span <= size; span <<= 1) {
    const half = span >> 1;
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos((-2 * Math.PI * k) / span);
      const sine = Math.sin((-2 * Math.PI * k) / span);
      for (let first = k; first < size; first += span) {
        const second = first + half;
        const re = real[second] * cosine - imaginary[second] * sine;
        const im = real[second] * sine + imaginary[second] * cosine;
        real[second] = real[first] - re;
        imaginary[second] = imaginary[first] - im;
        real[first] += re;
        imaginary[first] += im;
      }
    }
  }
}

// Give levels in dB, one array of bins a column; the frames are centred on the columns.
function spectrogram(samples, rate, columns) {
  const size = 2 ** Math.round(Math.log2(Math.max(rate * 0.012, 32))); // about 12 ms
  const taper = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
  return Array.from({ length: columns }, (_, column) => {
    const first = Math.round(((column + 0.5) * samples.length) / columns) - (size >> 1);
    const real = Float64Array.from({ length: size }, (_, i) => (samples[first + i] || 0) * taper[i]);
    const imaginary = new Float64Array(size);
    fft(real, imaginary);
    return Float32Array.from({ length: size >> 1 }, (_, bin) =>
      20 * Math.log10(Math.hypot(real[bin], imaginary[bin]) / (size / 4) + FLOOR),
    );
  });
}

// Draw levels into a box {x, y, width, height} of pixels; `top` is the brightest level.
function drawLevels(pen, box, levels, top) {
  const image = pen.createImageData(box.width, box.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let x = 0; x < box.width; x++) {
    const column = levels[Math.floor((x * levels.length) / box.width)];
    for (let y = 0; y < box.height; y++) {
      const bin = Math.floor(((box.height - 1 - y) * column.length) / box.height);
      const share = Math.min(Math.max((column[bin] - top) / RANGE_DB + 1, 0), 1);
      pixels[y * box.width + x] = COLOURS[Math.floor(share * 255)];
    }
  }
  pen.putImageData(image, box.x, box.y);
}

// Draw samples from `start` to `stop` into a box; `peak` fills its height.
function drawWave(pen, box, samples, start, stop, peak, colour) {
  const middle = box.y + box.height / 2;
  const heightOf = (value) => middle - (Math.min(Math.max(value / peak, -1), 1) * box.height) / 2;
  pen.save();
  pen.strokeStyle = colour;
  pen.lineWidth = Math.max(1, devicePixelRatio);
  pen.beginPath();
  const many = (stop - start) / box.width;
  for (let x = 0; many > 2 && x < box.width; x++) {
    let [least, most] = [Infinity, -Infinity];
    for (let i = Math.floor(start + x * many); i < start + (x + 1) * many && i < stop; i++) {
      least = Math.min(least, samples[i]);
      most = Math.max(most, samples[i]);
    }
    pen.moveTo(box.x + x + 0.5, heightOf(most) - 0.5);
    pen.lineTo(box.x + x + 0.5, heightOf(least) + 0.5);
  }
  for (let i = start; many <= 2 && i < stop; i++) {
    pen.lineTo(box.x + ((i - start + 0.5) * box.width) / (stop - start), heightOf(samples[i]));
  }
  pen.stroke();
  pen.restore();
}

// Shade the gap, from `start` to `stop` as shares of a box's width.
function shade(pen, box, start, stop, colour) {
  const left = Math.max(start, 0) * box.width;
  pen.fillStyle = colour;
  pen.fillRect(box.x + left, box.y, Math.max(Math.min(stop, 1) * box.width - left, 2), box.height);
}

function largest(samples, start, stop) {
  let most = 0;
  for (let i = Math.max(start, 0); i < Math.min(stop, samples.length); i++) most = Math.max(most, Math.abs(samples[i]));
  return most;
}

// Set a canvas to the pixels that it covers, empty, and give its pen.
function penOf(canvas) {
  const scale = Math.min(devicePixelRatio, 2);
  canvas.width = Math.max(Math.round(canvas.clientWidth * scale), 8);
  canvas.height = Math.max(Math.round(canvas.clientHeight * scale), 8);
  return canvas.getContext("2d");
}

function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
