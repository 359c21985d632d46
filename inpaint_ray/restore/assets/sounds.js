// Excerpts as samples: base64 of FLAC and of the damaged samples -> what was heard before, after, and removed.

const MOST_SOUNDS = 24; // decoded ones that are kept

function bytesOf(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

// Give the sample of 16 bits that was decoded: Chromium divides positive ones by 32767, others by 32768.
function exact(value) {
  return (value < 0 ? Math.round(value * 32768) : Math.min(Math.round(value * 32767.5), 32767)) / 32768;
}

// Decode an excerpt: {rate, firstS, gainDb, damaged, restored, removed}, the last three as arrays of channels.
async function decodeExcerpt(packed) {
  const offline = new OfflineAudioContext(1, 1, packed.rate); // of its own rate, so that nothing is resampled
  const buffer = await offline.decodeAudioData(bytesOf(packed.flac).buffer);
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel));
  const restored = channels.map((samples) => samples.map(exact));
  const damaged = restored.map((samples) => samples.slice());
  for (const [channel, first, text] of packed.patches) {
    const view = new DataView(bytesOf(text).buffer);
    for (let i = 0; i < view.byteLength / 2; i++) damaged[channel][first + i] = view.getInt16(2 * i, true) / 32768;
  }
  const removed = damaged.map((samples, channel) => samples.map((value, i) => value - restored[channel][i]));
  return { rate: packed.rate, firstS: packed.first_s, gainDb: packed.gain_db, damaged, restored, removed };
}

const sounds = new Map();

// Give the decoded excerpt of a repair, as a promise; null where the page has none.
function soundOf(repair) {
  if (repair.excerpt < 0) return Promise.resolve(null);
  const known = sounds.get(repair.excerpt);
  const found = known || decodeExcerpt(JSON.parse(document.getElementById(`excerpt-${repair.excerpt}`).textContent));
  sounds.delete(repair.excerpt);
  sounds.set(repair.excerpt, found);
  if (sounds.size > MOST_SOUNDS) sounds.delete(sounds.keys().next().value);
  return found;
}
