/** The alarms that are active, and what they forbid. Part of the keyspace, because every replay must refuse the same. */
import { ALARM_CORRUPT, ALARM_NOSPACE } from "../proto/rare.ts";

const ALARMS_MAX = 100;

export interface Alarm {
  readonly memberId: bigint;
  readonly alarm: number;
}

export class Alarms {
  #active: Alarm[] = [];
  #hasNoSpace = false;
  #hasCorrupt = false;

  /** Whether what adds bytes is refused. */
  get hasNoSpace(): boolean {
    return this.#hasNoSpace;
  }

  /** Whether every change is refused. */
  get hasCorrupt(): boolean {
    return this.#hasCorrupt;
  }

  /** False when the alarm was active already, or ALARMS_MAX are: of a handful of members nobody raises so many. */
  activate(memberId: bigint, alarm: number): boolean {
    if (this.#has(memberId, alarm) || this.#active.length >= ALARMS_MAX) return false;
    this.#set([...this.#active, { memberId, alarm }]);
    return true;
  }

  /** False when the alarm was not active. */
  deactivate(memberId: bigint, alarm: number): boolean {
    if (!this.#has(memberId, alarm)) return false;
    this.#set(this.#active.filter((active) => active.memberId !== memberId || active.alarm !== alarm));
    return true;
  }

  /** The active alarms, in the order in which they were raised. */
  list(): readonly Alarm[] {
    return this.#active;
  }

  #has(memberId: bigint, alarm: number): boolean {
    return this.#active.some((active) => active.memberId === memberId && active.alarm === alarm);
  }

  #set(active: Alarm[]): void {
    this.#active = active;
    this.#hasNoSpace = active.some(({ alarm }) => alarm === ALARM_NOSPACE);
    this.#hasCorrupt = active.some(({ alarm }) => alarm === ALARM_CORRUPT);
  }
}
