// One player of three versions of an excerpt, which run side by side in a loop; a switch changes what is heard of them,
// and never their place.

const VERSIONS = ["damaged", "restored", "removed"];
const EDGE_S = 0.01; // faded at either end, so that the loop's seam is no click
const SWITCH_S = 0.005;

class Player {
  constructor() {
    this.context = null; // begins with the first sound, as browsers ask
    this.sound = null;
    this.version = "restored";
    this.voices = null; // while it plays: version -> {source, gain}
    this.starts = 0; // counts how often voices were started
    this.origin = 0; // of the context's clock, where the place in the loop was 0
    this.paused = 0; // the place while it does not play
  }

  get playing() {
    return this.voices !== null;
  }

  get seconds() {
    return this.sound ? this.sound.restored[0].length / this.sound.rate : 0;
  }

  // Give the place in the loop, in seconds from the excerpt's start.
  position() {
    return this.playing ? Math.max(this.context.currentTime - this.origin, 0) % this.seconds : this.paused;
  }

  // Take another excerpt, or none; what plays goes on with it from its start.
  load(sound) {
    const playing = this.playing;
    this.stop();
    this.sound = sound;
    this.paused = 0;
    if (playing && sound) this.play();
  }

  play() {
    if (!this.sound || this.playing) return;
    this.context = this.context || new AudioContext();
    this.context.resume();
    const begin = this.context.currentTime + 0.02;
    this.voices = Object.fromEntries(VERSIONS.map((version) => [version, this.start(version, begin)]));
    this.origin = begin - this.paused;
    this.starts += 1;
  }

  start(version, begin) {
    const channels = this.sound[version];
    const buffer = this.context.createBuffer(channels.length, channels[0].length, this.sound.rate);
    channels.forEach((samples, channel) => buffer.copyToChannel(faded(samples, this.sound.rate), channel));
    const source = new AudioBufferSourceNode(this.context, { buffer, loop: true });
    const gain = new GainNode(this.context, { gain: version === this.version ? 1 : 0 });
    source.connect(gain).connect(this.context.destination);
    source.start(begin, this.paused);
    return { source, gain };
  }

  stop() {
    if (!this.playing) return;
    this.paused = this.position();
    for (const { source, gain } of Object.values(this.voices)) {
      source.stop();
      gain.disconnect();
    }
    this.voices = null;
  }

  toggle() {
    if (this.playing) this.stop();
    else this.play();
  }

  // Hear another version, at the same place.
  switchTo(version) {
    this.version = version;
    if (!this.playing) return;
    const now = this.context.currentTime;
    for (const [name, { gain }] of Object.entries(this.voices)) {
      gain.gain.cancelScheduledValues(now);
      gain.gain.setValueAtTime(gain.gain.value, now);
      gain.gain.linearRampToValueAtTime(name === version ? 1 : 0, now + SWITCH_S);
    }
  }
}

function faded(samples, rate) {
  const result = samples.slice();
  const edge = Math.min(Math.round(EDGE_S * rate), samples.length >> 1);
  for (let i = 0; i < edge; i++) {
    result[i] *= i / edge;
    result[result.length - 1 - i] *= i / edge;
  }
  return result;
}
