using Accelerated.Interop.Native;

namespace Accelerated.Interop;

/// <summary>Standard input and output as bytes, for a process that lives for milliseconds: System.Console brings encodings and a terminal.</summary>
public static unsafe class StandardStreams
{
    private const int FirstSize = 4096;

    /// <summary>Reads standard input to its end.</summary>
    /// <param name="most">How many bytes are too many.</param>
    /// <exception cref="IOException">It cannot be read, or is longer.</exception>
    public static byte[] ReadInput(int most)
    {
        var content = new byte[FirstSize];
        for (var used = 0; ;)
        {
            if (used == content.Length)
                Array.Resize(ref content, content.Length * 2);
            nint read;
            fixed (byte* at = &content[used])
                read = Libc.read(0, at, (nuint)(content.Length - used));
            if (read == 0)
                return content.AsSpan(0, used).ToArray();
            if (read < 0)
            {
                if (System.Runtime.InteropServices.Marshal.GetLastPInvokeError() == Errno.EINTR)
                    continue;
                throw new IOException(NativeException.FromLastError("read standard input").Message);
            }

            used += (int)read;
            if (used > most)
                throw new IOException($"standard input is longer than {most} bytes");
        }
    }

    /// <summary>Writes to standard output.</summary>
    /// <exception cref="IOException">Nobody reads it any more, or there is no room.</exception>
    public static void WriteOutput(ReadOnlySpan<byte> content) => Write(1, content);

    /// <summary>Writes to standard error; that it cannot be written is no error.</summary>
    public static void WriteError(ReadOnlySpan<byte> content)
    {
        try
        {
            Write(2, content);
        }
        catch (IOException)
        {
            // ignoring: there is nobody left to tell.
        }
    }

    private static void Write(int fd, ReadOnlySpan<byte> content)
    {
        while (content.Length > 0)
        {
            nint written;
            fixed (byte* data = content)
                written = Libc.write(fd, data, (nuint)content.Length);
            if (written >= 0)
                content = content[(int)written..];
            else if (System.Runtime.InteropServices.Marshal.GetLastPInvokeError() != Errno.EINTR)
                throw new IOException(NativeException.FromLastError($"write to file descriptor {fd}").Message);
        }
    }
}
