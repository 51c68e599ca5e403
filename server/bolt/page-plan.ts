/** Counts the pages of a file and has no bytes. */
import { Buffer } from "node:buffer";
import { FIRST_PAGE } from "./layout.ts";
import type { PageOutput } from "./tree-builder.ts";

/** What a plan finds out. */
export interface FileShape {
  /** All of the file. */
  readonly pages: number;
  /** That of the root bucket. */
  readonly root: number;
  readonly bytes: number;
}

export class PagePlan implements PageOutput {
  readonly pageBytes: number;
  next = FIRST_PAGE;

  constructor(pageBytes: number) {
    this.pageBytes = pageBytes;
  }

  stage(): void {}

  leaf(): void {
    this.next++;
  }

  longLeaf(pages: number): void {
    this.next += pages;
  }

  branch(pages: number): void {
    this.next += pages;
  }

  inline(_count: number, bytes: number): Buffer {
    return Buffer.alloc(bytes);
  }
}
