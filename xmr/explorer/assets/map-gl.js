// Points by WebGL 2: all of them in one draw call, colours and visibility by group from a small texture.
const ACROSS = 256; // groups in a row of the texture
const VERTEX = `#version 300 es
uniform vec2 scale, shift;
uniform float radius;
uniform bool some;
uniform uint hidden;
uniform sampler2D looks;
in vec2 point;
in uint group, shape, chosen;
flat out vec4 colour;
flat out uint form;
flat out float size;
void main() {
  vec4 look = texelFetch(looks, ivec2(int(group) % ${ACROSS}, int(group) / ${ACROSS}), 0);
  bool gone = look.a == 0. || (hidden >> shape & 1u) == 1u;
  gl_Position = gone ? vec4(2., 2., 2., 1.) : vec4(point * scale + shift, 0., 1.);
  size = radius * (some && chosen == 1u ? 1.35 : 1.) * (shape == 1u ? 1.2 : 1.) + 1.;
  gl_PointSize = 2. * size;
  colour = vec4(look.rgb, some && chosen == 0u ? look.a * .13 : look.a);
  form = shape;
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
precision mediump int;
uniform vec3 paper;
flat in vec4 colour;
flat in uint form;
flat in float size;
out vec4 drawn;
void main() {
  vec2 at = (gl_PointCoord * 2. - 1.) * size;
  float reach = size - 1.;
  float beyond = form == 0u ? length(at) - reach
    : form == 1u ? max(at.y - .72 * reach, .878 * abs(at.x) - .479 * (at.y + 1.1 * reach))
    : max(abs(at.x), abs(at.y)) - .86 * reach;
  float inside = clamp(.5 - beyond, 0., 1.), edge = reach < 3. ? 0. : clamp(beyond + 1.3, 0., 1.) * .8;
  float alpha = colour.a * inside;
  drawn = vec4(mix(colour.rgb, paper, edge) * alpha, alpha);
}`;

function compiled(gl, kind, source) {
  const shader = gl.createShader(kind);
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  return shader;
}

function linked(gl) {
  const program = gl.createProgram();
  gl.attachShader(program, compiled(gl, gl.VERTEX_SHADER, VERTEX));
  gl.attachShader(program, compiled(gl, gl.FRAGMENT_SHADER, FRAGMENT));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(`the map's shaders do not link: ${gl.getProgramInfoLog(program)}`);
  return program;
}

/** The numbers below `count` in an order that looks random and is always the same: no group lies above the others. */
export function shuffled(count) {
  const order = Uint32Array.from({ length: count }, (_, at) => at);
  let seed = 1;
  for (let at = count - 1; at > 0; at--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const other = Math.floor((seed / 2 ** 32) * (at + 1));
    [order[at], order[other]] = [order[other], order[at]];
  }
  return order;
}

export class GLPoints {
  /** Draw on `canvas`, which has a WebGL 2 context `gl`; `restored()` is called when a lost context is there again. */
  constructor(canvas, gl, restored) {
    Object.assign(this, { gl, data: new Map(), count: 0 });
    canvas.addEventListener("webglcontextlost", (event) => canvas.isConnected && event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.setUp();
      for (const [name, values] of this.data) this.upload(name, values);
      restored();
    });
    this.setUp();
  }

  setUp() {
    const { gl } = this;
    this.program = linked(gl);
    this.buffers = {};
    this.at = Object.fromEntries(["scale", "shift", "radius", "some", "hidden", "looks", "paper"].map((name) => [name, gl.getUniformLocation(this.program, name)]));
    gl.useProgram(this.program);
    gl.bindVertexArray(gl.createVertexArray());
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  }

  /** Give the graphics memory back: a browser has few contexts. */
  stop() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** x, y (N,) float32, and each one's shape: 0 disc, 1 triangle, 2 square (N,) uint8. */
  setPoints(x, y, shapes) {
    this.count = x.length;
    const pairs = new Float32Array(2 * x.length);
    for (let at = 0; at < x.length; at++) {
      pairs[2 * at] = x[at];
      pairs[2 * at + 1] = y[at];
    }
    this.keep("point", pairs);
    this.keep("shape", shapes);
    this.keep("chosen", new Uint8Array(x.length));
    this.keep("order", shuffled(x.length));
  }

  /** The group of each point (N,) uint16. */
  setGroups(codes) {
    this.keep("group", codes);
  }

  /** Red, green, blue, alpha of each group, 0 to 255; alpha 0 hides it. */
  setLooks(looks) {
    const rows = Math.max(1, Math.ceil(looks.length / (4 * ACROSS))), padded = new Uint8Array(4 * ACROSS * rows);
    padded.set(looks);
    this.keep("looks", padded);
  }

  /** Which points are chosen (N,) of 0 and 1; null: none, all are drawn alike. */
  setChosen(chosen) {
    this.some = chosen !== null;
    if (chosen) this.keep("chosen", chosen);
  }

  keep(name, values) {
    this.data.set(name, values);
    this.upload(name, values);
  }

  upload(name, values) {
    const { gl } = this;
    if (name === "looks") return gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, ACROSS, values.length / (4 * ACROSS), 0, gl.RGBA, gl.UNSIGNED_BYTE, values);
    const target = name === "order" ? gl.ELEMENT_ARRAY_BUFFER : gl.ARRAY_BUFFER;
    gl.bindBuffer(target, (this.buffers[name] ??= gl.createBuffer()));
    gl.bufferData(target, values, name === "point" || name === "order" ? gl.STATIC_DRAW : gl.DYNAMIC_DRAW);
    if (name === "order") return;
    const place = gl.getAttribLocation(this.program, name);
    gl.enableVertexAttribArray(place);
    if (name === "point") gl.vertexAttribPointer(place, 2, gl.FLOAT, false, 0, 0);
    else gl.vertexAttribIPointer(place, 1, name === "group" ? gl.UNSIGNED_SHORT : gl.UNSIGNED_BYTE, 0, 0);
  }

  /** Draw with a camera {scale, x, y} in pixels of the canvas's box; `hidden` has a bit for each shape that is not shown, of `most` points. */
  draw({ scale, x, y }, { width, height, density, radius, hidden, paper, most }) {
    const { gl, at } = this;
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.count) return;
    gl.uniform2f(at.scale, (2 * scale) / width, (-2 * scale) / height);
    gl.uniform2f(at.shift, (2 * x) / width - 1, 1 - (2 * y) / height);
    gl.uniform1f(at.radius, radius * density);
    gl.uniform1i(at.some, this.some ? 1 : 0);
    gl.uniform1ui(at.hidden, hidden);
    gl.uniform3f(at.paper, ...paper.map((part) => part / 255));
    gl.drawElements(gl.POINTS, Math.min(this.count, most), gl.UNSIGNED_INT, 0);
  }
}
