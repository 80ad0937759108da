// The code pages of DOS, which TextDecoder does not know; their tables are loaded where an encoding needs them.

/** As IANA names them: IBM437, cp850, 852, ... The agent knows these beside the labels of the WHATWG. */
const codePage = /^(?:ibm|cp|csibm|ccsid)?0*(437|850|852|855|858|860|862|863|865)$/i;

export type DecodeCodePage = (bytes: Buffer, label: string) => string;

export function isCodePage(label: string): boolean {
  return codePage.test(label);
}

export async function loadCodePages(): Promise<DecodeCodePage> {
  const { default: iconv } = await import('iconv-lite');
  return (bytes, label) => iconv.decode(bytes, label.replace(codePage, 'cp$1'));
}
