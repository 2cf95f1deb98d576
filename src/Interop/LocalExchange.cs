using System.Diagnostics;
using System.Text;
using Accelerated.Interop.Native;

namespace Accelerated.Interop;

/// <summary>
/// A question to a unix socket and its answer, a line each, in bounded time. Made for a process that lives for milliseconds: the
/// runtime's own sockets start an engine with a thread first.
/// </summary>
public static unsafe class LocalExchange
{
    private const int LongestAnswer = 4096;

    // sizeof(sun_path), and the zero at its end.
    private const int LongestPath = 108 - 1;

    /// <summary>Asks.</summary>
    /// <param name="path">The socket.</param>
    /// <param name="line">The question, with its line feed.</param>
    /// <param name="limit">How long connecting, and then the answer, may take.</param>
    /// <returns>The answer, without its line feed; null if nobody is there, or nobody answers in time.</returns>
    public static string? Ask(string path, ReadOnlySpan<byte> line, TimeSpan limit)
    {
        ArgumentNullException.ThrowIfNull(path);
        var name = Encoding.UTF8.GetBytes(path);
        if (name.Length is 0 or > LongestPath)
            return null;
        using var socket = new FileDescriptor(Libc.socket(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0));
        if (socket.IsInvalid)
            return null;
        // Both also bound connect(), which waits where the queue of a server that hangs is full (unix(7)).
        var pause = new TimeVal { tv_sec = (long)limit.TotalSeconds, tv_usec = limit.Milliseconds * 1000L + limit.Microseconds };
        _ = Libc.setsockopt(socket, Libc.SOL_SOCKET, Libc.SO_RCVTIMEO, &pause, (uint)sizeof(TimeVal));
        _ = Libc.setsockopt(socket, Libc.SOL_SOCKET, Libc.SO_SNDTIMEO, &pause, (uint)sizeof(TimeVal));
        var address = new SockAddrUn { sun_family = Libc.AF_UNIX };
        name.CopyTo(new Span<byte>(address.sun_path, LongestPath));
        if (Libc.connect(socket, &address, (uint)sizeof(SockAddrUn)) != 0)
            return null;
        fixed (byte* data = line)
        {
            if (Libc.send(socket, data, (nuint)line.Length, Libc.MSG_NOSIGNAL) != line.Length)
                return null;
        }

        return Receive(socket, Stopwatch.GetTimestamp(), limit);
    }

    private static string? Receive(FileDescriptor socket, long started, TimeSpan limit)
    {
        var answer = stackalloc byte[LongestAnswer];
        for (var used = 0; used < LongestAnswer && Stopwatch.GetElapsedTime(started) < limit;)
        {
            var read = Libc.recv(socket, answer + used, (nuint)(LongestAnswer - used), 0);
            if (read <= 0)
                return null;
            used += (int)read;
            if (new ReadOnlySpan<byte>(answer, used).IndexOf((byte)'\n') is >= 0 and var end)
                return Encoding.UTF8.GetString(answer, end);
        }

        return null;
    }
}
