// The pictures of a repair: the small strip in the list, and the three figures of the player.

// Give the gap of a repair in samples of its excerpt, and the stretch that a close-up shows.
function gapIn(repair, sound) {
  const length = sound.restored[0].length;
  const start = Math.round((repair.startS - sound.firstS) * sound.rate);
  const stop = Math.min(start + Math.max(Math.round(repair.seconds * sound.rate), 1), length);
  const around = Math.max(stop - start, Math.round(0.003 * sound.rate));
  return { start, stop, length, from: Math.max(start - around, 0), to: Math.min(stop + around, length) };
}

function levelsOf(sound, columns) {
  const levels = ["damaged", "restored"].map((version) => spectrogram(sound[version][0], sound.rate, columns));
  let top = -Infinity; // of the restored sound: a click must not darken the music
  for (const column of levels[1]) for (const level of column) top = Math.max(top, level);
  return { levels, top };
}

// Draw a strip of four cells: close-ups of the waveform before and after, spectrograms before and after.
function drawStrip(canvas, repair, sound) {
  const pen = penOf(canvas);
  const gap = gapIn(repair, sound);
  const space = Math.round(canvas.width / 100);
  const width = Math.floor((canvas.width - 3 * space) / 4);
  const cells = [0, 1, 2, 3].map((i) => ({ x: i * (width + space), y: 0, width, height: canvas.height }));
  const peak = Math.max(largest(sound.restored[0], gap.from, gap.to), 1e-4) * 1.1;
  const { levels, top } = levelsOf(sound, width);
  ["damaged", "restored"].forEach((version, i) => {
    const span = gap.to - gap.from;
    shade(pen, cells[i], 0, 1, colourOf("--panel"));
    shade(pen, cells[i], (gap.start - gap.from) / span, (gap.stop - gap.from) / span, colourOf("--gap"));
    drawWave(pen, cells[i], sound[version][0], gap.from, gap.to, peak, colourOf(`--${version}`));
    drawLevels(pen, cells[2 + i], levels[i], top);
    markGap(pen, cells[2 + i], gap);
  });
}

function markGap(pen, box, gap) {
  const height = Math.max(3, Math.round(box.height / 16));
  shade(pen, { ...box, height }, gap.start / gap.length, gap.stop / gap.length, colourOf("--mark"));
}

// Draw the figures of the player: canvases by version, and the close-up of both.
function drawFigures(canvases, repair, sound) {
  const gap = gapIn(repair, sound);
  const peak = Math.max(largest(sound.restored[0], 0, gap.length), 1e-4) * 1.1;
  const pens = Object.fromEntries(Object.entries(canvases).map(([name, canvas]) => [name, penOf(canvas)]));
  const { levels, top } = levelsOf(sound, canvases.damaged.width);
  ["damaged", "restored"].forEach((version, i) => {
    const { width, height } = canvases[version];
    const upper = { x: 0, y: 0, width, height: Math.round(height * 0.4) };
    const lower = { x: 0, y: upper.height, width, height: height - upper.height };
    shade(pens[version], upper, 0, 1, colourOf("--panel"));
    shade(pens[version], upper, gap.start / gap.length, gap.stop / gap.length, colourOf("--gap"));
    drawWave(pens[version], upper, sound[version][0], 0, gap.length, peak, colourOf(`--${version}`));
    drawLevels(pens[version], lower, levels[i], top);
    markGap(pens[version], lower, gap);
  });
  const box = { x: 0, y: 0, width: canvases.close.width, height: canvases.close.height };
  const span = gap.to - gap.from;
  const close = Math.max(largest(sound.restored[0], gap.from, gap.to), 1e-4) * 1.1;
  shade(pens.close, box, 0, 1, colourOf("--panel"));
  shade(pens.close, box, (gap.start - gap.from) / span, (gap.stop - gap.from) / span, colourOf("--gap"));
  for (const version of ["damaged", "restored"]) {
    drawWave(pens.close, box, sound[version][0], gap.from, gap.to, close, colourOf(`--${version}`));
  }
}

function clearFigures(canvases) {
  for (const canvas of Object.values(canvases)) penOf(canvas);
}
