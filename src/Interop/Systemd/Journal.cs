using System.Globalization;
using System.Text;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Systemd;

/// <summary>The systemd journal, as a place for structured entries (sd_journal_sendv(3)).</summary>
public static unsafe class Journal
{
    private const int StandardError = 2;

    /// <summary>
    /// Whether standard error is a stream to the journal, and entries can be sent: the device and inode in <c>JOURNAL_STREAM</c> are those of
    /// file descriptor 2 (systemd.exec(5)). Somebody who redirects the output of a service gets plain lines.
    /// </summary>
    public static bool IsStandardError { get; } =
        Libsystemd.IsInstalled && Environment.GetEnvironmentVariable("JOURNAL_STREAM") is { Length: > 0 } stream && stream == StreamOf(StandardError);

    /// <summary>Sends an entry. Safe from any thread.</summary>
    /// <param name="fields">Names of capitals, digits and underscores, and values of any length; <c>MESSAGE</c> among them.</param>
    /// <returns>False if journald did not take it.</returns>
    public static bool TrySend(IReadOnlyList<KeyValuePair<string, string>> fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        var texts = new byte[fields.Count][];
        var size = 0;
        for (var i = 0; i < texts.Length; i++)
        {
            texts[i] = Encoding.UTF8.GetBytes($"{fields[i].Key}={fields[i].Value}");
            size += texts[i].Length;
        }

        var all = new byte[size];
        var vectors = stackalloc IoVec[texts.Length];
        fixed (byte* start = all)
        {
            var at = 0;
            for (var i = 0; i < texts.Length; i++)
            {
                texts[i].CopyTo(all, at);
                vectors[i] = new IoVec { iov_base = start + at, iov_len = (nuint)texts[i].Length };
                at += texts[i].Length;
            }

            return Libsystemd.sd_journal_sendv(vectors, texts.Length) >= 0;
        }
    }

    /// <summary>DEVICE:INODE of a file descriptor, as systemd writes it; null if it is closed.</summary>
    private static string? StreamOf(int fd)
    {
        StatX found;
        if (Libc.statx(fd, "", Libc.AT_EMPTY_PATH, Libc.STATX_INO, &found) != 0)
            return null;
        // gnu_dev_makedev of glibc.
        ulong major = found.stx_dev_major, minor = found.stx_dev_minor;
        var device = ((major & 0xfffff000) << 32) | ((major & 0xfff) << 8) | ((minor & 0xffffff00) << 12) | (minor & 0xff);
        return string.Create(CultureInfo.InvariantCulture, $"{device}:{found.stx_ino}");
    }
}
