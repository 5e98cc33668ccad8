// A map of many points: WebGL draws the points, a canvas above them the labels and the lasso.

const VERTEX = `
attribute vec2 position;
attribute float size;
attribute float chosen;
uniform vec2 center;
uniform vec2 scale;
uniform float grow;
varying float isChosen;
void main() {
  gl_Position = vec4((position - center) * scale, 0.0, 1.0);
  gl_PointSize = (size + chosen * 3.0) * grow;
  isChosen = chosen;
}`;
const FRAGMENT = `
precision mediump float;
uniform vec4 plain;
uniform vec4 marked;
varying float isChosen;
void main() {
  float distance = length(gl_PointCoord - 0.5);
  float inside = 1.0 - smoothstep(0.35, 0.5, distance);
  vec4 color = mix(plain, marked, isChosen);
  gl_FragColor = vec4(color.rgb * color.a * inside, color.a * inside);
}`;

const CELLS = 200; // of the grid, on each side
const REACH = 14; // pixels from a point in which it is found
const LABELS = 60;
const LABELED = 30_000; // points that are tried as labels

interface Colors {
  point: string;
  chosen: string;
  text: string;
  halo: string;
}

export class Scatter {
  onHover: (point: number) => void = () => undefined;
  onSelect: (points: number[]) => void = () => undefined;
  onOpen: (point: number) => void = () => undefined;
  /** Whether dragging draws a lasso. */
  lassoing = false;

  private n = 0;
  private x = new Float32Array();
  private y = new Float32Array();
  private names: string[] = [];
  private sizes = new Float32Array();
  private chosen = new Float32Array();
  private starts = new Int32Array();
  private order = new Int32Array();
  private center = [0, 0];
  private zoom = 1;
  private hovered = -1;
  private pointers = new Map<number, [number, number]>();
  private lasso: [number, number][] | null = null;
  private moved = 0;
  private frame = 0;
  private gl: WebGLRenderingContext | null;
  private program: WebGLProgram | null = null;
  private buffers: WebGLBuffer[] = [];
  private flat: CanvasRenderingContext2D | null = null;
  private pen: CanvasRenderingContext2D;
  private observer: ResizeObserver;

  constructor(
    private points: HTMLCanvasElement,
    private above: HTMLCanvasElement,
  ) {
    this.gl = points.getContext("webgl", { antialias: false, premultipliedAlpha: true });
    if (this.gl) this.compile(this.gl);
    else this.flat = points.getContext("2d"); // slower, but it works everywhere
    this.pen = above.getContext("2d")!;
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(above);
    above.addEventListener("pointerdown", this.down);
    above.addEventListener("pointermove", this.move);
    above.addEventListener("pointerup", this.up);
    above.addEventListener("pointercancel", this.up);
    above.addEventListener("pointerleave", this.leave);
    above.addEventListener("wheel", this.wheel, { passive: false });
    above.addEventListener("keydown", this.key);
    addEventListener("themechange", this.draw);
  }

  destroy() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    removeEventListener("themechange", this.draw);
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** Show points with integer coordinates from 0 to 65535, the most important ones first. */
  show(x: number[], y: number[], names: string[]) {
    this.n = x.length;
    this.names = names;
    this.x = Float32Array.from(x, (value) => value / 32767.5 - 1);
    this.y = Float32Array.from(y, (value) => value / 32767.5 - 1);
    const base = this.n > 20_000 ? 2.5 : this.n > 2000 ? 4 : 7;
    this.sizes = Float32Array.from(x, (_, i) => base * (1 + Math.exp((-8 * i) / this.n)));
    this.chosen = new Float32Array(this.n);
    this.index();
    this.upload();
    this.reset();
  }

  /** Mark points, and show all points or, if one is marked, its surroundings. */
  mark(points: number[], follow = false) {
    this.chosen.fill(0);
    for (const point of points) this.chosen[point] = 1;
    if (follow && points.length) {
      this.center = [this.x[points[0]!]!, this.y[points[0]!]!];
      this.zoom = Math.max(this.zoom, 6);
    }
    this.upload();
    this.draw();
  }

  reset = () => {
    let [left, right, low, high] = [1, -1, 1, -1];
    for (let i = 0; i < this.n; i++) {
      left = Math.min(left, this.x[i]!);
      right = Math.max(right, this.x[i]!);
      low = Math.min(low, this.y[i]!);
      high = Math.max(high, this.y[i]!);
    }
    this.center = [(left + right) / 2, (low + high) / 2];
    const { clientWidth: width, clientHeight: height } = this.above;
    const shorter = Math.min(width, height) || 1;
    const fit = (span: number, side: number) => ((side / shorter) * 1.84) / Math.max(span, 0.02);
    this.zoom = Math.min(fit(right - left, width), fit(high - low, height));
    this.draw();
  };

  zoomBy(factor: number, at?: [number, number]) {
    const [px, py] = at ?? [this.above.clientWidth / 2, this.above.clientHeight / 2];
    const before = this.toData(px, py);
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), 400);
    const after = this.toData(px, py);
    this.center = [this.center[0]! + before[0] - after[0], this.center[1]! + before[1] - after[1]];
    this.draw();
  }

  /** The points in the visible part of the map. */
  inView(): number[] {
    const { clientWidth: width, clientHeight: height } = this.above;
    const found = [];
    for (let i = 0; i < this.n; i++) {
      const [px, py] = this.toPixels(i);
      if (px >= 0 && py >= 0 && px <= width && py <= height) found.push(i);
    }
    return found;
  }

  private half(): number {
    return (Math.min(this.above.clientWidth, this.above.clientHeight) / 2) * this.zoom;
  }

  private toPixels(i: number): [number, number] {
    const half = this.half();
    return [
      this.above.clientWidth / 2 + (this.x[i]! - this.center[0]!) * half,
      this.above.clientHeight / 2 - (this.y[i]! - this.center[1]!) * half,
    ];
  }

  private toData(px: number, py: number): [number, number] {
    const half = this.half();
    return [
      this.center[0]! + (px - this.above.clientWidth / 2) / half,
      this.center[1]! - (py - this.above.clientHeight / 2) / half,
    ];
  }

  // The grid: points sorted by cell, so that the pointer finds the nearest one at once.

  private cell(value: number): number {
    return Math.min(CELLS - 1, Math.max(0, Math.floor(((value + 1) / 2) * CELLS)));
  }

  private index() {
    this.starts = new Int32Array(CELLS * CELLS + 1);
    this.order = new Int32Array(this.n);
    const cells = Int32Array.from(this.x, (x, i) => this.cell(x) * CELLS + this.cell(this.y[i]!));
    for (const cell of cells) this.starts[cell + 1]!++;
    for (let i = 0; i < CELLS * CELLS; i++) this.starts[i + 1]! += this.starts[i]!;
    const next = this.starts.slice();
    cells.forEach((cell, i) => (this.order[next[cell]!++] = i));
  }

  private nearest(px: number, py: number): number {
    const [x, y] = this.toData(px, py);
    const reach = REACH / this.half();
    let [best, distance] = [-1, reach * reach];
    for (let column = this.cell(x - reach); column <= this.cell(x + reach); column++) {
      const row = column * CELLS;
      const end = this.starts[row + this.cell(y + reach) + 1]!;
      for (let k = this.starts[row + this.cell(y - reach)]!; k < end; k++) {
        const i = this.order[k]!;
        const d = (this.x[i]! - x) ** 2 + (this.y[i]! - y) ** 2;
        if (d < distance) [best, distance] = [i, d];
      }
    }
    return best;
  }

  // Pointer and keys

  private place(event: PointerEvent | WheelEvent): [number, number] {
    const box = this.above.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private down = (event: PointerEvent) => {
    if (event.button) return;
    this.above.setPointerCapture(event.pointerId);
    const at = this.place(event);
    this.pointers.set(event.pointerId, at);
    this.moved = 0;
    const lassoes = (this.lassoing || event.shiftKey) && this.pointers.size === 1;
    this.lasso = lassoes ? [at] : null;
  };

  private move = (event: PointerEvent) => {
    const at = this.place(event);
    const last = this.pointers.get(event.pointerId);
    if (!last) {
      this.hover(this.nearest(...at));
      return;
    }
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    this.pointers.set(event.pointerId, at);
    this.moved += Math.abs(at[0] - last[0]) + Math.abs(at[1] - last[1]);
    if (this.lasso) {
      this.lasso.push(at);
    } else if (others.length) {
      const other = others[0]![1];
      const span = (point: [number, number]) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      this.zoomBy(span(at) / Math.max(span(last), 1), other);
    } else {
      const half = this.half();
      this.center = [
        this.center[0]! - (at[0] - last[0]) / half,
        this.center[1]! + (at[1] - last[1]) / half,
      ];
    }
    this.draw();
  };

  private up = (event: PointerEvent) => {
    if (!this.pointers.delete(event.pointerId)) return;
    const at = this.place(event);
    if (this.lasso && this.lasso.length > 2) {
      this.onSelect(this.inside(this.lasso));
    } else if (event.type === "pointerup" && this.moved < 4) {
      const point = this.nearest(...at);
      if (point >= 0) this.onOpen(point);
    }
    this.lasso = null;
    this.draw();
  };

  private leave = () => this.hover(-1);

  private hover(point: number) {
    if (point === this.hovered) return;
    this.hovered = point;
    this.above.style.cursor = point >= 0 ? "pointer" : this.lassoing ? "crosshair" : "grab";
    this.onHover(point);
    this.draw();
  }

  private wheel = (event: WheelEvent) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.zoomBy(Math.exp(-Math.max(-200, Math.min(200, event.deltaY * lines)) / 300), this.place(event));
  };

  private key = (event: KeyboardEvent) => {
    const step = 60 / this.half();
    const steps: Record<string, [number, number]> = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step],
    };
    const by = steps[event.key];
    if (by) {
      this.center = [this.center[0]! + by[0], this.center[1]! + by[1]];
      this.draw();
    } else if (event.key === "+" || event.key === "=") this.zoomBy(1.4);
    else if (event.key === "-") this.zoomBy(1 / 1.4);
    else if (event.key === "0") this.reset();
    else if (event.key === "Enter") this.onSelect(this.inView());
    else return;
    event.preventDefault();
  };

  private inside(polygon: [number, number][]): number[] {
    const corners = polygon.map(([px, py]) => this.toData(px, py));
    const found = [];
    for (let i = 0; i < this.n; i++) {
      const [x, y] = [this.x[i]!, this.y[i]!];
      let isInside = false;
      for (let a = 0, b = corners.length - 1; a < corners.length; b = a++) {
        const [xa, ya] = corners[a]!;
        const [xb, yb] = corners[b]!;
        if (ya > y !== yb > y && x < ((xb - xa) * (y - ya)) / (yb - ya) + xa) isInside = !isInside;
      }
      if (isInside) found.push(i);
    }
    return found;
  }

  // Drawing

  private compile(gl: WebGLRenderingContext) {
    const program = gl.createProgram()!;
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
      const shader = gl.createShader(kind)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.program = program;
    this.buffers = ["position", "size", "chosen"].map(() => gl.createBuffer()!);
  }

  private upload() {
    const gl = this.gl;
    if (!gl) return;
    const positions = new Float32Array(2 * this.n);
    for (let i = 0; i < this.n; i++) positions.set([this.x[i]!, this.y[i]!], 2 * i);
    [positions, this.sizes, this.chosen].forEach((values, i) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[i]!);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    });
  }

  draw = () => {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      const ratio = devicePixelRatio || 1;
      const [width, height] = [this.above.clientWidth, this.above.clientHeight];
      for (const canvas of [this.points, this.above]) {
        const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
        if (canvas.width !== w) canvas.width = w;
        if (canvas.height !== h) canvas.height = h;
      }
      const style = getComputedStyle(this.above);
      const color = (name: string) => style.getPropertyValue(name).trim();
      const colors: Colors = {
        point: color("--point"), chosen: color("--chosen"), text: color("--text"), halo: color("--surface"),
      };
      const grow = Math.min(3, Math.max(1, this.zoom) ** 0.35);
      if (this.gl) this.drawWebGL(this.gl, width, height, ratio * grow, colors);
      else if (this.flat) this.drawFlat(this.flat, ratio, grow, colors);
      this.drawAbove(width, height, ratio, colors);
    });
  };

  private drawWebGL(gl: WebGLRenderingContext, width: number, height: number, grow: number, colors: Colors) {
    const program = this.program!;
    const half = this.half();
    gl.viewport(0, 0, this.points.width, this.points.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const uniform = (name: string) => gl.getUniformLocation(program, name);
    gl.uniform2f(uniform("center"), this.center[0]!, this.center[1]!);
    gl.uniform2f(uniform("scale"), (2 * half) / width, (2 * half) / height);
    gl.uniform1f(uniform("grow"), grow);
    const alpha = this.n > 20_000 ? 0.45 : 0.7;
    gl.uniform4f(uniform("plain"), ...rgb(colors.point), alpha);
    gl.uniform4f(uniform("marked"), ...rgb(colors.chosen), 1);
    ["position", "size", "chosen"].forEach((name, i) => {
      const at = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[i]!);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, i ? 1 : 2, gl.FLOAT, false, 0, 0);
    });
    gl.drawArrays(gl.POINTS, 0, this.n);
  }

  private drawFlat(pen: CanvasRenderingContext2D, ratio: number, grow: number, colors: Colors) {
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.points.width, this.points.height);
    for (const isChosen of [0, 1]) {
      pen.fillStyle = isChosen ? colors.chosen : colors.point;
      pen.globalAlpha = isChosen ? 1 : 0.5;
      for (let i = 0; i < this.n; i++) {
        if (this.chosen[i] !== isChosen) continue;
        const [px, py] = this.toPixels(i);
        const size = (this.sizes[i]! + 3 * isChosen) * grow * 0.8;
        pen.fillRect(px - size / 2, py - size / 2, size, size);
      }
    }
    pen.globalAlpha = 1;
  }

  private drawAbove(width: number, height: number, ratio: number, colors: Colors) {
    const pen = this.pen;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.lineJoin = "round";
    pen.textBaseline = "middle";
    const taken: [number, number, number, number][] = [];
    const label = (i: number, strong: boolean): boolean => {
      const [px, py] = this.toPixels(i);
      if (px < -20 || py < 0 || px > width || py > height) return false;
      const name = this.names[i]!;
      const text = name.length > 28 ? `${name.slice(0, 27)}…` : name;
      pen.font = `${strong ? "600 14px" : "12px"} system-ui, sans-serif`;
      const w = pen.measureText(text).width + 12;
      const box: [number, number, number, number] = [px + 4, py - 9, px + 4 + w, py + 9];
      const covers = taken.some((b) => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1]);
      if (covers && !strong) return false;
      taken.push(box);
      pen.strokeStyle = colors.halo;
      pen.lineWidth = strong ? 5 : 3.5;
      pen.strokeText(text, px + 8, py);
      pen.fillStyle = colors.text;
      pen.fillText(text, px + 8, py);
      return true;
    };
    if (this.hovered >= 0) {
      const [px, py] = this.toPixels(this.hovered);
      pen.beginPath();
      pen.arc(px, py, 6, 0, 7);
      pen.strokeStyle = colors.text;
      pen.lineWidth = 2;
      pen.stroke();
      label(this.hovered, true);
    }
    let shown = 0;
    for (let i = 0; i < this.n && shown < 25; i++) {
      if (this.chosen[i] && i !== this.hovered && label(i, shown === 0)) shown++;
    }
    const limit = shown + Math.min(LABELS, Math.round((width * height) / 9000));
    for (let i = 0; i < this.n && i < LABELED && shown < limit; i++) {
      if (i !== this.hovered && !this.chosen[i] && label(i, false)) shown++;
    }
    if (this.lasso) {
      pen.beginPath();
      for (const [px, py] of this.lasso) pen.lineTo(px, py);
      pen.closePath();
      pen.strokeStyle = colors.chosen;
      pen.lineWidth = 2;
      pen.setLineDash([6, 4]);
      pen.stroke();
      pen.setLineDash([]);
    }
  }
}

function rgb(color: string): [number, number, number] {
  const number = Number.parseInt(color.slice(1), 16);
  return [(number >> 16) / 255, ((number >> 8) & 255) / 255, (number & 255) / 255];
}
