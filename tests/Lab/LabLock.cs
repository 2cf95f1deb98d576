using System.Net.Sockets;

namespace Accelerated.Lab;

/// <summary>
/// Keeps two processes from building or removing one lab at the same time. An abstract unix socket: it leaves no file, and
/// the kernel frees it when its process dies, however that comes about.
/// </summary>
internal sealed class LabLock : IDisposable
{
    private readonly Socket _socket;

    private LabLock(Socket socket) => _socket = socket;

    /// <summary>Takes the lock of a lab.</summary>
    /// <exception cref="LabException">Another process holds it.</exception>
    public static LabLock Take(string labName)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint($"\0accelerated-lab/{labName}"));
            return new LabLock(socket);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new LabException(
                $"another process is at work on the lab '{labName}': wait for it or stop it, or choose another name with LAB=…", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
