/** A writer in a process of its own: opens what its plan says, and writes as it is told until its starter is gone. */

import { Appenders } from "./appenders.ts";
import { breakableDisk } from "./disks.ts";
import { FrameWriter } from "./frame-writer.ts";
import { openJournal } from "./open-journal.ts";
import type { Order, Report, Run, WriterPlan } from "./writing.ts";

interface Writer {
  begin(run: Run, onMeasuring: () => void): Appenders;
  /** Gives up what it has written, so that the disk does not fill. */
  forget(): Promise<void>;
}

function tell(report: Report): void {
  process.send?.(report);
}

async function journalWriter(plan: WriterPlan): Promise<Writer> {
  let appenders: Appenders | null = null;
  const journal = await openJournal(plan, disk, {
    onCommitted: (committed) => appenders?.committed(committed),
    onFailed: () => appenders?.failed(),
  });
  return {
    begin(run, onMeasuring) {
      const record = Buffer.alloc(run.recordBytes, 0x5a);
      appenders = new Appenders(run, journal.committed, () => journal.append(record), onMeasuring);
      return appenders;
    },
    forget: () => journal.trim(journal.committed),
  };
}

async function frameWriter(plan: WriterPlan): Promise<Writer> {
  const writer = await FrameWriter.open(plan);
  return {
    begin(run, onMeasuring) {
      writer.begin(run);
      const appenders = new Appenders(run, writer.committed, () => writer.append(), onMeasuring);
      writer.onCommitted = (position) => appenders.committed(position);
      return appenders;
    },
    forget: async () => {},
  };
}

const { disk, breakDirectory } = breakableDisk();
const plan = JSON.parse(process.argv[2]) as WriterPlan;
const writer = await (plan.isControl ? frameWriter(plan) : journalWriter(plan));

async function obey(order: Order): Promise<void> {
  if (order.kind === "break") return breakDirectory(order.directory);
  const appenders = writer.begin(order.run, () => tell({ kind: "measuring" }));
  const written = await appenders.written();
  await writer.forget();
  tell({ kind: "written", written });
}

process.once("disconnect", () => process.exit());
// The channel gives what was sent, and all that is sent are orders.
process.on("message", (order) => void obey(order as Order));
tell({ kind: "ready" });
