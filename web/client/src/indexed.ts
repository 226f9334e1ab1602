import type { Table } from "./platform";

/*
 * One IndexedDB database for all sessions of an origin, with one table of texts by key. Keys are
 * those that earlier versions used in localStorage.
 */

export const DATABASE = "holdfast";
export const TABLE = "messages";
const VERSION = 1;

/**
 * Opens the database; rejects when the browser refuses it (private mode, a damaged profile).
 *
 * `lost` is called when the connection is no good any more: a page of a later version wants to
 * change the database, or the user has cleared the site's data. An open that is blocked by a page
 * of another version stays pending until that page is gone; whoever waits has to bound that.
 */
export function openIndexed(factory: Pick<IDBFactory, "open">, lost: () => void): Promise<Table> {
  return new Promise((resolve, reject) => {
    const request = factory.open(DATABASE, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(TABLE);
    };
    request.onerror = () => reject(request.error ?? new Error("IndexedDB was refused."));
    request.onsuccess = () => {
      const database = request.result;
      if (!database.objectStoreNames.contains(TABLE)) {
        // Another program of this origin has taken the name.
        database.close();
        reject(new Error(`The database "${DATABASE}" is not ours.`));
        return;
      }
      database.onversionchange = () => {
        // Who does not close would block the other page for ever.
        database.close();
        lost();
      };
      database.onclose = () => lost();
      resolve(tableOf(database));
    };
  });
}

function tableOf(database: IDBDatabase): Table {
  return {
    read: (prefix) => new Promise((resolve, reject) => {
      const transaction = database.transaction(TABLE, "readonly");
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      const keys = transaction.objectStore(TABLE).getAllKeys(range);
      const values = transaction.objectStore(TABLE).getAll(range);
      transaction.oncomplete = () => {
        const rows = new Map<string, string>();
        keys.result.forEach((key, index) => {
          const value: unknown = values.result[index];
          if (typeof key === "string" && typeof value === "string") rows.set(key, value);
        });
        resolve(rows);
      };
      transaction.onabort = () => reject(transaction.error ?? new Error("The read was aborted."));
    }),
    write: (changes) => new Promise((resolve, reject) => {
      // A removal that a power cut undoes costs a repetition, which the server recognizes; a
      // message that it undoes is lost. So only messages wait for the disk.
      const durability = [...changes.values()].some((value) => value !== null) ? "strict" : "relaxed";
      const transaction = database.transaction(TABLE, "readwrite", { durability });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("The write was aborted."));
      const store = transaction.objectStore(TABLE);
      for (const [key, value] of changes) {
        if (value === null) store.delete(key);
        else store.put(value, key);
      }
    }),
    close: () => database.close(),
  };
}
