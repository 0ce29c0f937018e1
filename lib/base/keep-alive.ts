// Keeps the process alive for as long as somebody wants it to; nothing else of ours does.
export class KeepAlive {
  #held = 0;
  #alive: NodeJS.Timeout | undefined;

  /** Until `release` is called as often. */
  hold(): void {
    if (this.#held++ > 0) return;
    if (this.#alive === undefined) this.#alive = setInterval(() => {}, 0x3fff_ffff);
    else this.#alive.ref();
  }
  release(): void {
    if (--this.#held === 0) this.#alive?.unref();
  }
  close(): void {
    clearInterval(this.#alive);
  }
}
